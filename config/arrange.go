package config

import (
	"fmt"
	"strings"
)

// arrange puts flags before positional arguments, where urfave/cli wants
// them: people type both orders. It writes every flag as --name=value, so
// that an unknown one or a missing value is found here and never quoted. The
// flags -o and those of rest are kept for the command to read in order.
func arrange(args []string, os options) ([]string, error) {
	var flags, positional []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			positional = append(positional, args[i+1:]...)
			i = len(args)
			continue
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			positional = append(positional, arg)
			continue
		case arg == "-h" || arg == "--help" || arg == "-help":
			return []string{"--help"}, nil
		}
		o, value, hasValue, err := os.parseFlag(arg)
		if err != nil {
			return nil, err
		}
		if !hasValue && o.isSwitch() {
			value, hasValue = "true", true
		}
		if !hasValue {
			if i++; i == len(args) {
				return nil, fmt.Errorf("%s needs a value: %s", arg, o.value)
			}
			value = args[i]
		}
		flags = append(flags, "--"+o.name+"="+value)
	}
	return append(append(flags, "--"), positional...), nil
}

// parseFlag reads --name, --name=value, -n, and -nVALUE as mount(8) has it.
func (os options) parseFlag(arg string) (o *option, value string, hasValue bool, err error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	if strings.HasPrefix(arg, "--") || len(name) > 1 {
		if o = os.find(name); o != nil {
			return o, value, hasValue, nil
		}
	}
	if strings.HasPrefix(arg, "--") {
		return nil, "", false, os.unknown("option", "--"+name)
	}
	if o = os.findShort(arg[1:2]); o == nil || (o.isSwitch() && len(arg) > 2) {
		return nil, "", false, os.unknown("option", "-"+name)
	}
	return o, arg[2:], len(arg) > 2, nil
}
