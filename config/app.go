package config

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"ncloudfs/fs/control"
	"ncloudfs/remote"
)

// App is the command line of ncloudfs. The functions are what its commands
// do; each gets what the user typed, complete and checked. All fields must be
// set.
type App struct {
	Version   string
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer                   // for progress
	LookupEnv func(string) (string, bool) // os.LookupEnv

	Mount   func(context.Context, *Mount) error
	Umount  func(context.Context, control.UmountOptions) error
	Status  func(context.Context, control.StatusOptions) error
	Sync    func(context.Context, control.SyncOptions) error
	Pending func(context.Context, control.PendingOptions) error
	Demo    func(context.Context, *Demo) error
	Doctor  func(context.Context, *Doctor) error
	// WithClient runs a command that needs nothing but the service.
	WithClient func(context.Context, Store, func(context.Context, *remote.Client) error) error
}

// Run parses args, whose first is the program's name, and runs the command.
// It prints help and the version itself; every error is for the user, on one
// line.
func (a *App) Run(ctx context.Context, args []string) error {
	run := &commandLine{app: a, commands: a.commands()}
	if isHelper(args[0]) {
		return run.runHelper(ctx, args[1:])
	}
	args, err := run.arrange(args)
	if err != nil {
		return err
	}
	return run.cli().RunContext(ctx, args)
}

// commandLine is one use of an App.
type commandLine struct {
	app      *App
	commands []*command
	sloppy   bool // ignore unknown -o names: mount(8) -s
}

// arrange finds the command that args name and arranges what follows it.
// Where none is named, urfave/cli answers: help, version, an unknown command.
func (l *commandLine) arrange(args []string) ([]string, error) {
	for _, c := range l.commands {
		words := strings.Fields(c.name)
		if len(args) <= len(words) || !slices.Equal(args[1:1+len(words)], words) {
			continue
		}
		rest, err := arrange(args[1+len(words):], c.flags())
		if err != nil {
			return nil, err
		}
		return slices.Concat([]string{"ncloudfs"}, words, rest), nil
	}
	return append([]string{"ncloudfs"}, args[1:]...), nil
}

// cli builds the urfave/cli application: it dispatches, shows help and reads
// the flags that arrange has put in order.
func (l *commandLine) cli() *cli.App {
	app := &cli.App{
		Name:                      "ncloudfs",
		Usage:                     "mount a NAVER Cloud Object Storage bucket as a directory",
		Version:                   l.app.Version,
		Writer:                    l.app.Stdout,
		DisableSliceFlagSeparator: true,
		HideHelpCommand:           true,
		Flags:                     []cli.Flag{cli.HelpFlag},
		CustomAppHelpTemplate:     l.appHelp(),
		ExitErrHandler:            func(*cli.Context, error) {}, // main prints
		OnUsageError:              l.usageError,
		Action:                    l.noCommand,
	}
	for _, c := range l.commands {
		at := &app.Commands
		words := strings.Fields(c.name)
		for i := range words[:len(words)-1] {
			at = l.group(at, words[:i+1])
		}
		made := c.cli(l)
		made.Name = words[len(words)-1]
		*at = append(*at, made)
	}
	app.Commands = append(app.Commands, l.helpCommand())
	return app
}

// group finds or makes the group of commands that begin with these words, the
// last of which is its name among its siblings.
func (l *commandLine) group(siblings *[]*cli.Command, words []string) *[]*cli.Command {
	name := words[len(words)-1]
	for _, c := range *siblings {
		if c.Name == name {
			return &c.Subcommands
		}
	}
	whole := strings.Join(words, " ")
	made := &cli.Command{Name: name, Usage: groupUsage(whole), HideHelpCommand: true,
		CustomHelpTemplate: l.groupHelp(whole), Action: l.noCommand, OnUsageError: l.usageError}
	*siblings = append(*siblings, made)
	return &made.Subcommands
}

// noCommand answers `ncloudfs`, `ncloudfs GROUP` and an unknown command.
func (l *commandLine) noCommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowSubcommandHelp(c)
	}
	return l.unknownCommand(c.Args().First())
}

func (l *commandLine) unknownCommand(name string) error {
	var names []string
	for _, c := range l.commands {
		names = append(names, c.name)
	}
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("unknown command %q: did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown command %q: ncloudfs help shows all", name)
}

// usageError answers a flag before the command's name: all belong after it.
func (l *commandLine) usageError(*cli.Context, error, bool) error {
	return fmt.Errorf("options stand after the command: ncloudfs mount [options] SOURCE MOUNTPOINT")
}

func (l *commandLine) helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Aliases: []string{"h"}, Usage: "show this, or the help of one command", ArgsUsage: "[COMMAND]",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			name := strings.Join(c.Args().Slice(), " ")
			if name == "" {
				return cli.ShowAppHelp(c)
			}
			for _, known := range l.commands {
				if known.name == name {
					_, err := io.WriteString(l.app.Stdout, known.help())
					return err
				}
			}
			return l.unknownCommand(name)
		},
	}
}

// isHelper reports whether the program was called by mount(8).
func isHelper(program string) bool {
	name := filepath.Base(program)
	return name == "mount.ncloudfs" || name == "mount.fuse.ncloudfs"
}
