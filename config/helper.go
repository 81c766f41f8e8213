package config

import "fmt"

// helper is how mount(8) calls a mount program:
//
//	mount.TYPE SOURCE MOUNTPOINT [-sfnv] [-N namespace] [-o options] [-t type]
type helper struct {
	positional []string
	lists      []string
	sloppy     bool // -s: ignore unknown options
	fake       bool // -f: check the command line, mount nothing
}

// parseHelper follows mount(8), "External helpers". -n and -v change nothing:
// there is no mtab, and a mount that works says nothing.
func parseHelper(args []string) (*helper, error) {
	h := &helper{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			h.positional = append(h.positional, arg)
			continue
		}
		for j, letter := range arg[1:] {
			switch letter {
			case 's':
				h.sloppy = true
				continue
			case 'f':
				h.fake = true
				continue
			case 'n', 'v':
				continue
			case 'o', 't', 'N':
			default:
				return nil, fmt.Errorf("unknown option -%c: usage: mount -t ncloudfs SOURCE MOUNTPOINT [-o options]", letter)
			}
			value := arg[j+2:]
			if value == "" {
				if i++; i == len(args) {
					return nil, fmt.Errorf("-%c needs a value", letter)
				}
				value = args[i]
			}
			if letter == 'o' {
				h.lists = append(h.lists, value)
			}
			break
		}
	}
	return h, nil
}

// mountArgs is the same as a mount command.
func (h *helper) mountArgs() []string {
	args := []string{"ncloudfs", "mount"}
	for _, list := range h.lists {
		args = append(args, "-o", list)
	}
	return append(append(args, "--"), h.positional...)
}
