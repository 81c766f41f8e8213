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
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// exitPoll is how often a waiting process looks whether the daemon is gone.
const exitPoll = 50 * time.Millisecond

// drainingWord follows the process number in the file of a daemon whose mount
// is gone and that brings what is left into the bucket.
const drainingWord = "draining"

// Presence tells other processes that this one serves a mount point, or brings
// what was written there into the bucket. In the runtime directory of its user
// it is
//
//	HASH.lock   locked for as long as that lasts; "PID", later "PID draining"
//	HASH.sock   its control socket
//
// where HASH is that of the mount point's path. A nil Presence is none.
type Presence struct {
	base string // path of both files, less the extension
	file *os.File
}

// Announce takes the presence of mountpoint. A predecessor that is draining is
// awaited, after a call of wait with its process number; one that serves a
// mount, which must then be in another mount namespace, is an error.
func Announce(ctx context.Context, mountpoint string, wait func(pid int)) (*Presence, error) {
	base, err := presenceBase(mountpoint)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		f, err := lockPresence(base + ".lock")
		if err == nil {
			p := &Presence{base, f}
			return p, p.write(strconv.Itoa(os.Getpid()))
		}
		held, ok := errors.AsType[*heldError](err)
		if !ok || !held.draining && isAlive(held.pid) {
			return nil, err
		}
		if !told {
			wait(held.pid)
		}
		select {
		case <-time.After(exitPoll):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// heldError is who has the presence of a mount point.
type heldError struct {
	path     string
	pid      int
	draining bool
}

func (e *heldError) Error() string { return fmt.Sprintf("process %d holds %s", e.pid, e.path) }

// lockPresence makes and locks the file.
func lockPresence(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, draining := readPresence(f)
		f.Close()
		return nil, &heldError{path, pid, draining}
	}
	if !isFileAt(f, path) { // its last holder has just removed it
		f.Close()
		return lockPresence(path)
	}
	return f, nil
}

func isFileAt(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, theirs)
}

// readPresence returns 0 for what nobody has written to.
func readPresence(f *os.File) (pid int, draining bool) {
	text := make([]byte, 64)
	n, _ := f.ReadAt(text, 0) // shorter, always
	number, word, _ := strings.Cut(string(text[:n]), " ")
	pid, _ = strconv.Atoi(number)
	return pid, word == drainingWord
}

func isAlive(pid int) bool { return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// write replaces what the file says; it only grows.
func (p *Presence) write(text string) error {
	_, err := p.file.WriteAt([]byte(text), 0)
	return errors.Join(err, p.file.Truncate(int64(len(text))))
}

// Socket returns where the control socket belongs; empty without a presence.
func (p *Presence) Socket() string {
	if p == nil {
		return ""
	}
	return p.base + ".sock"
}

// Drain tells that the mount is gone, and that a successor should wait.
func (p *Presence) Drain() error {
	if p == nil {
		return nil
	}
	return p.write(fmt.Sprint(os.Getpid(), " ", drainingWord))
}

// End gives the presence up.
func (p *Presence) End() {
	if p == nil {
		return
	}
	_ = os.Remove(p.Socket()) // there may be none
	_ = os.Remove(p.file.Name())
	p.file.Close()
}

func presenceBase(mountpoint string) (string, error) {
	dir, err := runtimeDir()
	if err != nil {
		return "", err
	}
	mountpoint, err = canonical(mountpoint)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, presenceName(mountpoint)), nil
}

func presenceName(mountpoint string) string {
	sum := sha256.Sum256([]byte(mountpoint))
	return hex.EncodeToString(sum[:8])
}

// runtimeDir returns this user's directory for what lasts as long as a
// process, and makes it.
func runtimeDir() (string, error) {
	uid := os.Geteuid()
	dirs := runtimeDirs(uid)
	dir := dirs[len(dirs)-1]
	if base := os.Getenv("XDG_RUNTIME_DIR"); uid != 0 && filepath.IsAbs(base) {
		dir = filepath.Join(base, "ncloudfs")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, checkPrivate(dir, uid)
}

// runtimeDirs returns where the runtime directory of a user's daemon may be,
// whose environment may be another than this process's.
func runtimeDirs(uid int) []string {
	if uid == 0 {
		return []string{"/run/ncloudfs"}
	}
	id := strconv.Itoa(uid)
	dirs := []string{filepath.Join("/run/user", id, "ncloudfs"), filepath.Join(os.TempDir(), "ncloudfs-"+id)}
	if base := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(base) && uid == os.Geteuid() {
		return append([]string{filepath.Join(base, "ncloudfs")}, dirs...)
	}
	return dirs
}

// checkPrivate refuses a directory that others could put something into.
func checkPrivate(dir string, uid int) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(uid) || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s must be a directory of user %d with mode 0700", dir, uid)
	}
	return nil
}
