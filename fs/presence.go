package fs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// exitPoll is how often a waiting process looks whether the daemon is gone.
const exitPoll = 50 * time.Millisecond

// presence is a locked file in the runtime directory, for as long as a daemon
// serves a mount or brings its last files into the bucket.
type presence struct {
	path string
	file *os.File
}

// announce takes the presence of mountpoint.
func announce(mountpoint string) (*presence, error) {
	path, err := presencePath(mountpoint)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is held by another process: %w", path, err)
	}
	err = errors.Join(f.Truncate(0), writePid(f))
	return &presence{path, f}, err
}

func writePid(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// end gives the presence up.
func (p *presence) end() {
	if p == nil {
		return
	}
	_ = os.Remove(p.path) // the lock is what counts
	p.file.Close()
}

// awaitExit waits until no daemon is present for mountpoint.
func awaitExit(ctx context.Context, mountpoint string) error {
	path, err := presencePath(mountpoint)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tick := time.NewTicker(exitPoll)
	defer tick.Stop()
	for unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is unmounted, but its process is still uploading: %w", mountpoint, context.Cause(ctx))
		}
	}
	return nil
}

func presencePath(mountpoint string) (string, error) {
	dir, err := runtimeDir()
	if err != nil {
		return "", err
	}
	mountpoint, err = canonical(mountpoint)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(mountpoint))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".lock"), nil
}

// runtimeDir returns this user's directory for what lasts as long as a
// process, and makes it.
func runtimeDir() (string, error) {
	dir := "/run/ncloudfs"
	if os.Geteuid() != 0 {
		dir = filepath.Join(os.TempDir(), "ncloudfs-"+strconv.Itoa(os.Geteuid()))
		if base := os.Getenv("XDG_RUNTIME_DIR"); base != "" {
			dir = filepath.Join(base, "ncloudfs")
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return "", fmt.Errorf("%s must be a directory of your own with mode 0700", dir)
	}
	return dir, nil
}
