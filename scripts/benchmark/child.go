package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	self = "/proc/self/exe"

	// stopTime is how long a process may take to end when it is told to.
	stopTime = 60 * time.Second
)

// child is a process in a group of its own, which dies with this one.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	log    bytes.Buffer // to be read once it ended
	ended  chan struct{}
	err    error // once it ended
}

type childOptions struct {
	args  []string
	env   []string
	dir   string
	pipes bool // its input and output are the parent's to use; else both go to the log
}

func startChild(ctx context.Context, o childOptions) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, o.args[0], o.args[1:]...), ended: make(chan struct{})}
	c.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, o.env...)
	c.cmd.Dir = o.dir
	c.cmd.Stderr = &c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	c.cmd.WaitDelay = 5 * time.Second
	c.cmd.Cancel = func() error { return c.signal(unix.SIGKILL) }
	if o.pipes {
		var err error
		if c.stdin, err = c.cmd.StdinPipe(); err != nil {
			return nil, err
		}
		r, w, err := os.Pipe() // not StdoutPipe, which Wait closes
		if err != nil {
			return nil, err
		}
		defer w.Close()
		c.cmd.Stdout, c.stdout = w, r
	} else {
		c.cmd.Stdout = &c.log
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// signal sends to the process and to all that it started.
func (c *child) signal(s syscall.Signal) error {
	err := unix.Kill(-c.cmd.Process.Pid, s)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// wait returns how the process ended, and kills it when it takes longer.
func (c *child) wait(limit time.Duration) error {
	select {
	case <-c.ended:
	case <-time.After(limit):
		_ = c.signal(unix.SIGKILL) // may have ended just now
		<-c.ended
		return fmt.Errorf("over %v", limit)
	}
	if c.err != nil {
		return fmt.Errorf("%w: %s", c.err, lastLines(c.log.String()))
	}
	return nil
}

// stop asks the process to end; saying that it did because of that is no error.
func (c *child) stop() error {
	if c.stdin != nil {
		_ = c.stdin.Close() // it may have ended
	} else {
		_ = c.signal(unix.SIGTERM) // it may have ended
	}
	err := c.wait(stopTime)
	if c.cmd.ProcessState.ExitCode() == 128+int(unix.SIGTERM) {
		return nil
	}
	return err
}

func lastLines(s string) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-500):]
}

// spent is what a process has used so far.
type spent struct {
	CPU    float64 `json:"cpu"`    // seconds, user and system
	Memory int64   `json:"memory"` // bytes, the peak
}

// spentBy reads /proc, where CPU time comes in hundredths of a second.
func spentBy(pid int) (spent, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return spent{}, err
	}
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return spent{}, err
	}
	return parseSpent(string(stat), string(status))
}

func parseSpent(stat, status string) (spent, error) {
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	_, peak, ok := strings.Cut(status, "VmHWM:")
	if !ok || len(fields) < 13 {
		return spent{}, errors.New("/proc has other fields than expected")
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	var kib int64
	_, err3 := fmt.Sscan(peak, &kib)
	return spent{CPU: (user + system) / 100, Memory: kib << 10}, errors.Join(err1, err2, err3)
}
