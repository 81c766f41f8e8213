package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// CheckMountpoint says in one line why nothing can be mounted on mountpoint,
// and what to do about it.
func CheckMountpoint(mountpoint string) error {
	if err := checkFUSE(); err != nil {
		return err
	}
	e, mounted, err := mountAt(mountpoint)
	if err != nil {
		return err
	}
	if mounted && strings.HasPrefix(e.Type, "fuse") {
		if isDead(mountpoint) {
			return fmt.Errorf("mount point %s is a dead mount: its process is gone; clear it with: ncloudfs umount %s", mountpoint, mountpoint)
		}
		return fmt.Errorf("mount point %s: %s is already mounted there; unmount it first: ncloudfs umount %s", mountpoint, e.Source, mountpoint)
	}
	info, err := os.Stat(mountpoint)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("mount point %s does not exist; make it: mkdir -p %s", mountpoint, mountpoint)
	case err != nil:
		return fmt.Errorf("mount point %s: %w", mountpoint, err)
	case !info.IsDir():
		return fmt.Errorf("mount point %s is not a directory", mountpoint)
	}
	entries, err := os.ReadDir(mountpoint)
	if err != nil {
		return fmt.Errorf("mount point %s: %w", mountpoint, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("mount point %s is not empty: what is in it would be hidden; choose an empty directory", mountpoint)
	}
	return nil
}

// isDead reports a mount whose daemon is gone; one that has merely stopped is
// not asked.
func isDead(mountpoint string) bool {
	var st syscall.Stat_t
	return errors.Is(syscall.Stat(mountpoint, &st), syscall.ENOTCONN)
}

// checkFUSE makes sure that the kernel and, for ordinary users, the mount
// helper are there.
func checkFUSE() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("/dev/fuse does not exist: load the module (modprobe fuse), or give the container the device")
	case err != nil:
		return fmt.Errorf("/dev/fuse cannot be opened: %w; check its permissions (crw-rw-rw-)", err)
	}
	f.Close()
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return errors.New("fusermount3 is not installed, which mounting without root needs: apt-get install fuse3")
	}
	return nil
}
