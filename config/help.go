package config

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// appHelp is a urfave/cli template; COMMANDS stands for a line for each.
const appHelp = `ncloudfs - {{.Usage}}

Usage:
  ncloudfs mount [options] SOURCE MOUNTPOINT     SOURCE: BUCKET[/PREFIX], s3://BUCKET[/PREFIX] or @
  ncloudfs umount|sync|pending MOUNTPOINT
  ncloudfs COMMAND --help

Commands:
COMMANDS
Try it without an account:
  mkdir demo-bucket && ncloudfs demo demo-bucket
`

// appHelp is appHelp with the commands in place.
func (l *commandLine) appHelp() string {
	var b strings.Builder
	for _, c := range l.commands {
		fmt.Fprintf(&b, "  %-21s %s\n", c.name, c.usage)
	}
	return strings.Replace(appHelp, "COMMANDS", b.String(), 1)
}

// groupUsage is what the commands that begin with these words are for.
func groupUsage(words string) string {
	switch words {
	case "bucket":
		return "the account's buckets"
	case "acl":
		return "who may do what with objects"
	case "bucket acl":
		return "who may list a bucket, and make objects in it"
	case "bucket cors":
		return "which pages of other origins browsers let use a bucket"
	case "bucket uploads":
		return "uploads in parts that were begun and never finished"
	}
	return ""
}

// groupHelp is the help of the commands that begin with these words, as a
// urfave/cli template.
func (l *commandLine) groupHelp(words string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ncloudfs %s - %s\n\nUsage:\n", words, groupUsage(words))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range l.commands {
		if strings.HasPrefix(c.name, words+" ") {
			fmt.Fprintf(w, "  %s\t%s\n", c.synopsis(), c.usage)
		}
	}
	_ = w.Flush() // a strings.Builder takes all
	fmt.Fprintf(&b, "\n  ncloudfs %s COMMAND --help\n", words)
	return escapeTemplate(b.String())
}

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
	for _, group := range []string{groupPending, groupWhat, groupStore, groupView, groupWrite, groupLocal, groupRun, groupSource} {
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
