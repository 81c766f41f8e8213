package fs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is a process that serves a mount, or brings into the bucket what was
// written to one, as other processes see it.
type Daemon struct {
	PID        int
	Mountpoint string // without links
	Device     string // major:minor of the mount; empty once it is unmounted

	base string // as in Presence; empty: it has announced nothing
}

// Socket returns the path of its control socket.
func (d Daemon) Socket() string { return d.base + ".sock" }

// FindDaemon finds who serves a mount point. It does so by the text of
// mountinfo and by what the daemon has announced: a mount whose daemon has
// stopped is never touched. A daemon that has unmounted and still drains is
// found, too.
func FindDaemon(mountpoint string) (Daemon, error) {
	e, mounted, err := ourMount(mountpoint)
	if err != nil {
		return Daemon{}, err
	}
	path, err := canonical(mountpoint)
	if err != nil {
		return Daemon{}, err
	}
	uid := os.Geteuid()
	if mounted {
		uid = e.Owner
	}
	d := Daemon{Mountpoint: path, Device: e.Device}
	for _, dir := range runtimeDirs(uid) {
		if checkPrivate(dir, uid) != nil {
			continue
		}
		if d.base = filepath.Join(dir, presenceName(path)); d.isThere() {
			return d, nil
		}
	}
	switch {
	case !mounted:
		return Daemon{}, notMounted(path)
	case isDead(path):
		return Daemon{}, fmt.Errorf("%s is a dead mount: its process is gone; ncloudfs umount clears it, "+
			"and ncloudfs pending without a mount point shows what it has left", path)
	}
	return Daemon{}, fmt.Errorf("the process that serves %s cannot be reached: its log says why", path)
}

// ourMount returns the mount on mountpoint, if any. An error if it is of
// another type, or of another user than this one may talk to.
func ourMount(mountpoint string) (e mountEntry, mounted bool, err error) {
	e, mounted, err = mountAt(mountpoint)
	switch uid := os.Geteuid(); {
	case err != nil || !mounted:
		return e, mounted, err
	case e.Type != Type:
		err = fmt.Errorf("%s is a mount of type %s, not one of ncloudfs: use umount(8)", mountpoint, e.Type)
	case e.Owner != uid && uid != 0:
		err = fmt.Errorf("user %d has mounted %s: do this as that user, or as root", e.Owner, mountpoint)
	}
	return e, mounted, err
}

func notMounted(mountpoint string) error { return fmt.Errorf("nothing is mounted on %s", mountpoint) }

// isThere reads who holds the presence.
func (d *Daemon) isThere() bool {
	f, err := os.OpenFile(d.base+".lock", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return false // what a dead one has left
	}
	d.PID, _ = readPresence(f)
	return true
}

// DaemonOf finds a daemon of this user by its process number; false when there
// is none.
func DaemonOf(pid int) (Daemon, bool) {
	for _, dir := range runtimeDirs(os.Geteuid()) {
		locks, _ := filepath.Glob(filepath.Join(dir, "*.lock")) // the pattern is right
		for _, lock := range locks {
			d := Daemon{base: lock[:len(lock)-len(".lock")]}
			if d.isThere() && d.PID == pid {
				return d, true
			}
		}
	}
	return Daemon{}, false
}

// AwaitExit waits until the daemon is gone.
func (d Daemon) AwaitExit(ctx context.Context) error {
	tick := time.NewTicker(exitPoll)
	defer tick.Stop()
	for now := d; d.base != "" && now.isThere() && now.PID == d.PID; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d goes on uploading: %w", d.PID, context.Cause(ctx))
		}
	}
	return nil
}

// sweep removes what the daemon of a mount point that died has left in the
// runtime directory.
func sweep(mountpoint string) {
	base, err := presenceBase(mountpoint)
	if err != nil {
		return
	}
	if f, err := lockPresence(base + ".lock"); err == nil {
		(&Presence{base, f}).End()
	}
}

// IsBelow reports whether a directory is in the daemon's mount.
func (d Daemon) IsBelow(dir string) (bool, error) {
	path, err := canonical(dir)
	if err != nil {
		return false, err
	}
	if rel, err := filepath.Rel(d.Mountpoint, path); err == nil && filepath.IsLocal(rel) {
		return true, nil // found without touching a mount that may hang
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false, fmt.Errorf("%s: %w", dir, err)
	}
	return d.Device == fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), nil
}
