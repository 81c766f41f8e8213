package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// readyVariable marks the child and names its end of the pipe.
const readyVariable = "_NCLOUDFS_READY_FD"

// What the child writes: one word, and after a failure its reason.
const (
	readyWord  = "ready"
	failedWord = "failed "
)

// Start runs this program again with args, whose first is its name, and
// returns once the child called Parent.Ready or failed. The error is the
// child's own. When ctx ends first, the child is asked to stop, as by SIGTERM.
func Start(ctx context.Context, args []string) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	defer ours.Close()
	// What the caller left open, a pipe that somebody reads to its end, must
	// not stay open in the background. Kernels before 5.11 cannot do it.
	_ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	child := exec.Command("/proc/self/exe", args[1:]...)
	child.Args[0] = args[0]
	child.Env = append(os.Environ(), readyVariable+"=3")
	child.ExtraFiles = []*os.File{theirs}
	child.Stderr = os.Stderr // until it is ready, a crash shows here
	err = child.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = child.Process.Signal(unix.SIGTERM) })()
	said, _ := io.ReadAll(ours)
	if string(said) == readyWord {
		return child.Process.Release()
	}
	if reason, ok := strings.CutPrefix(string(said), failedWord); ok {
		_ = child.Wait() // it has said why it failed
		return errors.New(reason)
	}
	return fmt.Errorf("the background process ended before the mount was ready: %w", child.Wait())
}

// Parent is the process that waits in Start. A nil Parent is none: then the
// process stays in the foreground, and the methods do nothing.
type Parent struct {
	pipe *os.File
}

// FindParent returns the process that waits for this one.
func FindParent() *Parent {
	if os.Getenv(readyVariable) != "3" {
		return nil
	}
	os.Unsetenv(readyVariable)
	unix.CloseOnExec(3)
	return &Parent{pipe: os.NewFile(3, "ready")}
}

// Failed tells the parent why there is no mount.
func (p *Parent) Failed(reason string) {
	if p != nil {
		io.WriteString(p.pipe, failedWord+reason)
		p.pipe.Close()
	}
}

// Ready leaves the parent's session, working directory and terminal, and
// tells it that the mount answers. What is written to the standard error
// from now on, such as a crash, goes to the file.
func (p *Parent) Ready(stderr *os.File) error {
	if p == nil {
		return nil
	}
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("leave the session: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("leave the working directory: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	defer null.Close()
	for fd, f := range []*os.File{null, null, stderr} {
		if err := unix.Dup3(int(f.Fd()), fd, 0); err != nil {
			return fmt.Errorf("leave the terminal: %w", err)
		}
	}
	if _, err := io.WriteString(p.pipe, readyWord); err != nil {
		return fmt.Errorf("tell that the mount is ready: %w", err)
	}
	return p.pipe.Close()
}
