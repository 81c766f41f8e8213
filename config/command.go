package config

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
)

// command is one command of the program.
type command struct {
	name     string // one to three words
	args     []string
	anyArgs  bool // run counts them, not args, which are for the help
	usage    string
	about    string // below the usage line in the help
	examples string
	options  options
	run      func(context.Context, *parsed) error
}

// listOption is -o itself. It is no option of -o, the environment or the file.
func listOption() *option {
	return &option{name: "o", short: "o", group: groupSource, value: "NAME=VALUE,...",
		usage: "any option of this list, as in fstab; also ro, rw", set: setNothing}
}

// flags are the command's options and -o, for commands that have any.
func (c *command) flags() options {
	if len(c.options) == 0 {
		return nil
	}
	return append(slices.Clone(c.options), listOption())
}

func (c *command) cli(l *commandLine) *cli.Command {
	made := &cli.Command{
		Name:               c.name,
		Usage:              c.usage,
		HideHelpCommand:    true,
		CustomHelpTemplate: escapeTemplate(c.help()),
		Action: func(ctx *cli.Context) error {
			p, err := l.parse(c, ctx)
			if err != nil {
				return err
			}
			return c.run(ctx.Context, p)
		},
	}
	for _, o := range c.flags() {
		// A slice, because the same option twice must be seen.
		made.Flags = append(made.Flags, &cli.StringSliceFlag{Name: o.name, Usage: o.usage, KeepSpace: true})
	}
	return made
}

// parsed is a command line with every value in its place.
type parsed struct {
	settings
	args  []string
	file  *file    // nil: none
	typed []values // what the command line itself says
}

// parse reads the options from all their places.
func (l *commandLine) parse(c *command, ctx *cli.Context) (*parsed, error) {
	p := &parsed{args: ctx.Args().Slice()}
	p.fs.UID, p.fs.GID = uint32(os.Getuid()), uint32(os.Getgid())
	if len(p.args) != len(c.args) && !c.anyArgs {
		return nil, c.wrongArgs(p.args)
	}
	if len(c.options) == 0 {
		return p, nil
	}
	flags := values{}
	for _, o := range c.options {
		for _, v := range ctx.StringSlice(o.name) {
			if err := flags.add(o, v, "--"+o.name); err != nil {
				return nil, err
			}
		}
	}
	list := mountFlags{options: c.options, sloppy: l.sloppy, values: values{}}
	for _, v := range ctx.StringSlice("o") {
		if err := list.add(v); err != nil {
			return nil, err
		}
	}
	env, err := environment(c.options, l.app.LookupEnv)
	if err != nil {
		return nil, err
	}
	p.typed = []values{flags, list.values}
	places := append(slices.Clone(p.typed), env)
	if path := firstValue("config", places); path != "" {
		if p.file, err = readFile(path); err != nil {
			return nil, err
		}
		places = append(places, p.file.values)
	}
	if err := p.apply(c.options, places...); err != nil {
		return nil, err
	}
	p.completeStore(l.app.LookupEnv)
	return p, p.checkCredentials()
}

// firstValue returns an option's value from the first place that has it.
func firstValue(name string, places []values) string {
	for _, place := range places {
		if g, ok := place[name]; ok {
			return g.value
		}
	}
	return ""
}

func (c *command) wrongArgs(got []string) error {
	if len(got) > len(c.args) {
		return fmt.Errorf("too many arguments, from %q on: usage: %s", got[len(c.args)], c.synopsis())
	}
	return fmt.Errorf("%s is missing: usage: %s", c.args[len(got)], c.synopsis())
}
