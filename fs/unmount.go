package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Unmount unmounts mountpoint, which another process serves and then ends by
// itself: Daemon.AwaitExit. A dead mount is cleared.
func Unmount(mountpoint string) error {
	_, mounted, err := ourMount(mountpoint)
	if err != nil {
		return err
	}
	path, err := canonical(mountpoint)
	if err != nil {
		return err
	}
	if !mounted {
		return notMounted(path)
	}
	if err := unmount(path); err != nil {
		return err
	}
	sweep(path) // if it died
	return nil
}

// unmount asks the kernel, or for an ordinary user the helper.
func unmount(path string) error {
	var err error
	if os.Geteuid() == 0 {
		err = unix.Unmount(path, 0)
	} else {
		err = fusermount("-u", path)
	}
	if err != nil && isDead(path) {
		err = detach(path) // nothing that is open there can be used any more
	}
	if errors.Is(err, unix.EBUSY) || err != nil && strings.Contains(err.Error(), "busy") {
		return fmt.Errorf("%s is in use: close what is open there (fuser -vm %s shows it), then try again", path, path)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

// fusermount runs the mount helper; its error carries what it printed.
func fusermount(args ...string) error {
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fusermount3: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
