package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xrash/smetrics"
)

// option is one thing a user can set, by whatever spelling.
type option struct {
	name  string // as in --name
	short string // as in -f; empty: none
	group string // heading in the help
	value string // placeholder in the help; empty: a switch
	def   string // default, in the words a user would type; empty: none
	auto  string // what the help says when the default is computed
	usage string
	mute  bool // messages leave the value out: people put keys there
	once  bool // is for one command line: neither the environment nor a file is asked
	set   func(*settings, string) error
}

// quote returns a value for a message.
func (o *option) quote(value string) string {
	if o.mute {
		return "(not shown)"
	}
	return strconv.Quote(value)
}

// isSwitch reports whether the option stands for true when it has no value.
func (o *option) isSwitch() bool { return o.value == "" }

// envName returns the option's environment variable.
func (o *option) envName() string {
	return "NCLOUDFS_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// options are what one command understands, in the order of its help.
type options []*option

func (os options) find(name string) *option {
	for _, o := range os {
		if o.name == name {
			return o
		}
	}
	return nil
}

func (os options) findShort(name string) *option {
	for _, o := range os {
		if o.short != "" && o.short == name {
			return o
		}
	}
	return nil
}

// unknown says that name, with its dashes if it had some, is no option and
// which one may have been meant. It must not be given a value: that may be a
// secret.
func (os options) unknown(what, name string) error {
	bare := strings.TrimLeft(name, "-")
	if isKeyName(bare) {
		return fmt.Errorf("unknown %s %s: keys are never options, other users could read them; put them in ~/.ncloud/configure, "+
			"in NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY, or in a --config file with mode 0600", what, name)
	}
	names := make([]string, 0, len(os))
	for _, o := range os {
		names = append(names, o.name)
	}
	if near := nearest(strings.ReplaceAll(bare, "_", "-"), names); near != "" {
		return fmt.Errorf("unknown %s %s: did you mean %s?", what, name, strings.Repeat("-", len(name)-len(bare))+near)
	}
	return fmt.Errorf("unknown %s %s: ncloudfs help shows all", what, name)
}

// isKeyName reports whether name is a usual spelling of an option for keys.
func isKeyName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, end := range []string{"access-key", "secret-key", "access-key-id", "secret-access-key", "secret", "password", "passwd"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// nearest returns the name most like the given one, or "" when none is like it.
func nearest(name string, names []string) string {
	// Jaro-Winkler with the boost of urfave/cli; 0.8 lets through one or two
	// slips in a word and nothing unrelated.
	const boost, prefix, alike = 0.7, 4, 0.8
	best, score := "", alike
	for _, n := range names {
		if s := smetrics.JaroWinkler(n, name, boost, prefix); s > score {
			best, score = n, s
		}
	}
	return best
}
