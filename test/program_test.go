package test

import (
	"cmp"
	"encoding/gob"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long one system call may take before the mount counts as
// hanging.
const patience = time.Minute

// errHangs: a system call did not return. The daemon was told to print its
// stacks and to end, so that what waits for it goes on.
var errHangs = errors.New("hangs; see the daemon's stacks in its log")

// program is one that uses a mount: an agent. Tests touch a mount only
// through agents and shells. A mount that hangs then does not hang the test,
// and a fork in the test does not close, and so flush, files of another test.
// The methods are system calls of the same names; they return a syscall.Errno.
type program struct {
	m   *mounted
	cmd *exec.Cmd

	mu  sync.Mutex // guards below: one call at a time
	out *gob.Encoder
	in  *gob.Decoder
}

// start begins an agent that ends with the test.
func (m *mounted) start(t testing.TB) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{m: m, cmd: exec.Command(self)}
	p.cmd.Env = []string{agentVariable + "=1"}
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out, p.in = gob.NewEncoder(stdin), gob.NewDecoder(stdout)
	t.Cleanup(p.end)
	return p
}

// end kills the agent, which closes its files.
func (p *program) end() {
	_ = p.cmd.Process.Kill() // may have ended
	_ = p.cmd.Wait()         // killed
}

// call makes one system call.
func (p *program) call(r request) (response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.out.Encode(&r); err != nil {
		return response{}, err
	}
	done := make(chan struct{})
	var resp response
	var err error
	go func() {
		err = p.in.Decode(&resp)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		p.m.dump()
		return response{}, errHangs
	}
	if err == nil && resp.Errno != 0 {
		err = resp.Errno
	}
	return resp, err
}

// path is where name of the mount is in the tree.
func (p *program) path(name string) string { return p.m.path + "/" + name }

func (p *program) on(op, name string) error {
	_, err := p.call(request{Op: op, Path: p.path(name)})
	return err
}

func (p *program) unlink(name string) error { return p.on("unlink", name) }
func (p *program) rmdir(name string) error  { return p.on("rmdir", name) }

func (p *program) mkdir(name string) error {
	_, err := p.call(request{Op: "mkdir", Path: p.path(name), Mode: 0o755})
	return err
}

func (p *program) lstat(name string) (unix.Stat_t, error) {
	r, err := p.call(request{Op: "lstat", Path: p.path(name)})
	return r.Stat, err
}

func (p *program) truncate(name string, size int64) error {
	_, err := p.call(request{Op: "truncate", Path: p.path(name), Offset: size})
	return err
}

func (p *program) rename(from, to string) error { return p.rename2(from, to, 0) }

func (p *program) rename2(from, to string, flags int) error {
	_, err := p.call(request{Op: "rename", Path: p.path(from), To: p.path(to), Flags: flags})
	return err
}

func (p *program) link(from, to string) error {
	_, err := p.call(request{Op: "link", Path: p.path(from), To: p.path(to)})
	return err
}

func (p *program) symlink(target, name string) error {
	_, err := p.call(request{Op: "symlink", Path: p.path(name), To: target})
	return err
}

func (p *program) readlink(name string) (string, error) {
	r, err := p.call(request{Op: "readlink", Path: p.path(name)})
	return string(r.Data), err
}

func (p *program) mknod(name string, mode uint32) error {
	_, err := p.call(request{Op: "mknod", Path: p.path(name), Mode: mode})
	return err
}

func (p *program) chmod(name string, mode uint32) error {
	_, err := p.call(request{Op: "chmod", Path: p.path(name), Mode: mode})
	return err
}

// synced changes a file or directory that is open, and then calls fsync(2).
func (p *program) synced(name string, change func() error) error {
	f, err := p.open(name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.close()
	return cmp.Or(change(), f.fsync())
}

func (p *program) chown(name string, uid, gid int) error {
	_, err := p.call(request{Op: "chown", Path: p.path(name), UID: uid, GID: gid})
	return err
}

func (p *program) utimens(name string, atime, mtime time.Time) error {
	_, err := p.call(request{Op: "utimens", Path: p.path(name), Timestamps: [2]unix.Timespec{
		unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}})
	return err
}

func (p *program) setxattr(name, attr, value string) error {
	_, err := p.call(request{Op: "setxattr", Path: p.path(name), To: attr, Data: []byte(value)})
	return err
}

func (p *program) removexattr(name, attr string) error {
	_, err := p.call(request{Op: "removexattr", Path: p.path(name), To: attr})
	return err
}

// listxattr returns the names of attributes.
func (p *program) listxattr(name string) ([]string, error) {
	r, err := p.call(request{Op: "listxattr", Path: p.path(name)})
	return strings.FieldsFunc(string(r.Data), func(c rune) bool { return c == 0 }), err
}

func (p *program) getxattr(name, attr string) (string, error) {
	r, err := p.call(request{Op: "getxattr", Path: p.path(name), To: attr})
	return string(r.Data), err
}

// readDir returns the names in a directory, "" being the mount itself.
func (p *program) readDir(name string) ([]string, error) {
	d, err := p.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	r, err := p.call(request{Op: "names", FD: d.fd})
	return r.Names, errors.Join(err, d.close())
}

// readFile opens a file, reads it to its end and closes it.
func (p *program) readFile(name string) (string, error) {
	f, err := p.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	s, err := f.readAll()
	return s, errors.Join(err, f.close())
}

// writeFile makes a file or replaces what is in it, with one write(2).
func (p *program) writeFile(name, content string) error {
	f, err := p.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	if err != nil {
		return err
	}
	if content != "" {
		_, err = f.pwrite(content, 0)
	}
	return errors.Join(err, f.close())
}

// sh runs a shell script as the mount's owner in the mount's directory, which
// is $PWD, and returns what it printed. It must succeed.
func (m *mounted) sh(t testing.TB, script string) string {
	t.Helper()
	out, err := m.trySh(t, script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// trySh is sh for scripts that may fail.
func (m *mounted) trySh(t testing.TB, script string) (string, error) {
	t.Helper()
	// The shell enters the directory: in exec.Cmd it would be a hanging fork of
	// the test's.
	cmd := asOwner(m.who, "bash", "-euo", "pipefail", "-c", "cd -- \"$MOUNT\"\n"+script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=/nonexistent", "MOUNT=" + m.path}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	hang := time.AfterFunc(patience, func() {
		m.dump()
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // may have ended now
	})
	defer hang.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}
