package config

import (
	"fmt"
	"strconv"
	"strings"
)

// mountFlags is one or more -o lists, as typed or as mount(8) passes them.
type mountFlags struct {
	options options
	sloppy  bool // ignore what is unknown, as mount -s asks
	values  values
}

// add reads one comma-separated list. A comma inside a value is written "\,".
func (f *mountFlags) add(list string) error {
	for _, item := range splitList(list) {
		name, value, hasValue := strings.Cut(item, "=")
		if err := f.addItem(name, value, hasValue); err != nil {
			return err
		}
	}
	return nil
}

func (f *mountFlags) addItem(name, value string, hasValue bool) error {
	where := "-o " + name
	switch {
	case name == "" && !hasValue || isForMount(name) || name == "sync" && f.options.find("write-back") == nil:
		return nil
	case isRefused(name):
		return fmt.Errorf("%s is not supported: leave it out", where)
	}
	if name == "ro" || name == "rw" {
		name, value, hasValue = "read-only", strconv.FormatBool(name == "ro"), true
	}
	if name == "sync" && f.options.find("write-back") != nil {
		name, value, hasValue = "write-back", "false", true
	}
	o := f.options.find(strings.ReplaceAll(name, "_", "-"))
	if o == nil && f.sloppy {
		return nil
	}
	if o == nil {
		return f.options.unknown("mount option", name)
	}
	if !hasValue && !o.isSwitch() {
		return fmt.Errorf("%s needs a value: %s=%s", where, o.name, o.value)
	}
	if !hasValue {
		value = "true"
	}
	return f.values.add(o, value, where)
}

// isForMount reports what is for mount(8), systemd and fsck, or says what is so
// anyway: every mount is nosuid and nodev, and no access time is kept up by
// reading.
func isForMount(name string) bool {
	switch name {
	case "defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "nouser", "owner", "group", "comment",
		"nosuid", "nodev", "noatime", "nodiratime", "relatime", "norelatime", "lazytime", "nolazytime",
		"exec", "async", "dirsync", "silent", "loud", "default_permissions":
		return true
	}
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-")
}

// isRefused reports what asks for a mount that there never is, or not yet.
func isRefused(name string) bool {
	switch name {
	case "suid", "dev", "noexec", "remount", "bind", "rbind", "move", "mand", "strictatime", "diratime":
		return true
	}
	return false
}

// splitList splits at commas that no backslash stands before.
func splitList(list string) []string {
	var items []string
	var item strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list) && list[i+1] == ',':
			item.WriteByte(',')
			i++
		case list[i] == ',':
			items = append(items, item.String())
			item.Reset()
		default:
			item.WriteByte(list[i])
		}
	}
	return append(items, item.String())
}
