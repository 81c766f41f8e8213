package fs

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mountEntry is one line of /proc/self/mountinfo (proc(5)).
type mountEntry struct {
	Device     string // major:minor
	Mountpoint string
	Type       string
	Source     string
	Owner      int // user who mounted a FUSE file system; 0 for others
}

// mounts returns all mounts, in order. It reads text only: a stat on a mount
// whose daemon has stopped does not return.
func mounts() ([]mountEntry, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	var all []mountEntry
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if e, ok := parseMount(lines.Text()); ok {
			all = append(all, e)
		}
	}
	return all, lines.Err()
}

// HolderOf returns the source of the mount of ncloudfs that has path, and the path
// below its mount point; an error where there is none.
func HolderOf(path string) (source, below string, err error) {
	full, err := filepath.Abs(path)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return "", "", err
	}
	all, err := mounts()
	if err != nil {
		return "", "", err
	}
	var holder mountEntry
	for _, e := range all { // of those at one place the last hides the others
		inside, err := filepath.Rel(e.Mountpoint, full)
		if err == nil && filepath.IsLocal(inside) && len(e.Mountpoint) >= len(holder.Mountpoint) {
			holder, below = e, inside
		}
	}
	if holder.Type != Type {
		return "", "", fmt.Errorf("%s is not in a mount of ncloudfs", path)
	}
	return holder.Source, below, nil
}

// parseMount reads "ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS... - TYPE SOURCE OPTIONS".
func parseMount(line string) (mountEntry, bool) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 2 {
		return mountEntry{}, false
	}
	e := mountEntry{Device: l[2], Mountpoint: unescape(l[4]), Type: r[0], Source: unescape(r[1])}
	for option := range strings.SplitSeq(r[len(r)-1], ",") {
		if id, ok := strings.CutPrefix(option, "user_id="); ok {
			e.Owner, _ = strconv.Atoi(id) // as the kernel prints it
		}
	}
	return e, true
}

// unescape reads the octal escapes of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountAt returns the topmost mount on path.
func mountAt(path string) (mountEntry, bool, error) {
	all, err := mounts()
	if err != nil {
		return mountEntry{}, false, err
	}
	path, err = canonical(path)
	if err != nil {
		return mountEntry{}, false, err
	}
	var found mountEntry
	ok := false
	for _, e := range all {
		if e.Mountpoint == path {
			found, ok = e, true
		}
	}
	return found, ok, nil
}

// canonical resolves links in all but the last element of path, which may be a
// mount that does not answer.
func canonical(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, base := filepath.Split(path)
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Join(resolved, base), nil
	}
	return path, nil
}

// setReadAhead raises the kernel's readahead for the mount; only root may.
func setReadAhead(mountpoint string) error {
	e, ok, err := mountAt(mountpoint)
	if err != nil || !ok {
		return fmt.Errorf("find %s among the mounts: %w", mountpoint, err)
	}
	path := "/sys/class/bdi/" + e.Device + "/read_ahead_kb"
	return os.WriteFile(path, []byte(strconv.Itoa(readAheadKiB)), 0)
}
