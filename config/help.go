package config

import (
	"fmt"
	"strings"
)

// appHelp is a urfave/cli template.
const appHelp = `ncloudfs - {{.Usage}}

Usage:
  ncloudfs mount [options] SOURCE MOUNTPOINT     SOURCE: BUCKET[/PREFIX] or s3://BUCKET[/PREFIX]
  ncloudfs umount|sync|pending MOUNTPOINT
  ncloudfs COMMAND --help

Commands:{{range .VisibleCommands}}{{$group := .Name}}{{if .Subcommands}}{{range .Subcommands}}
  {{printf "%-12s" (printf "%s %s" $group .Name)}}{{.Usage}}{{end}}{{else}}
  {{printf "%-12s" .Name}}{{.Usage}}{{end}}{{end}}

Try it without an account:
  mkdir demo-bucket && ncloudfs demo demo-bucket
`

// groupHelp is a urfave/cli template.
const groupHelp = `ncloudfs {{.Name}} - {{.Usage}}

Usage:{{$group := .Name}}{{range .VisibleCommands}}
  {{printf "%-28s" (printf "ncloudfs %s %s" $group .Name)}}{{.Usage}}{{end}}

  ncloudfs {{.Name}} COMMAND --help
`

// synopsis is the usage line.
func (c *command) synopsis() string {
	words := []string{"ncloudfs", c.name}
	if len(c.options) > 0 {
		words = append(words, "[options]")
	}
	return strings.Join(append(words, c.args...), " ")
}

// help is the whole text of COMMAND --help.
func (c *command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ncloudfs %s - %s\n\nUsage:\n  %s\n", c.name, c.usage, c.synopsis())
	if c.about != "" {
		fmt.Fprintf(&b, "\n%s", c.about)
	}
	flags := c.flags()
	for _, group := range []string{groupPending, groupStore, groupView, groupWrite, groupLocal, groupRun, groupSource} {
		title := "\n" + group + ":\n"
		for _, o := range flags {
			if o.group == group {
				b.WriteString(title + o.help())
				title = ""
			}
		}
	}
	if c.examples != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(c.examples) {
			b.WriteString("  " + line)
		}
	}
	return b.String()
}

// help is the option's line, or two when its name is long.
func (o *option) help() string {
	const column = 30
	left := "      --" + o.name
	switch {
	case o.name == o.short:
		left = "  -" + o.short
	case o.short != "":
		left = "  -" + o.short + ", --" + o.name
	}
	if o.value != "" {
		left += " " + o.value
	}
	if len(left) > column-2 {
		left += "\n" + strings.Repeat(" ", column)
	}
	right := o.usage
	if def := o.def + o.auto; def != "" {
		right += " (default: " + def + ")"
	}
	return fmt.Sprintf("%-*s%s\n", column, left, right)
}

// escapeTemplate makes a text stand for itself as a urfave/cli template.
func escapeTemplate(text string) string {
	return strings.ReplaceAll(text, "{{", `{{"{{"}}`)
}
