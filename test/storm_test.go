package test

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestInterruptStorm: signals hit every system call many times, and none
// returns EINTR, a part of what was asked for, or other bytes.
func TestInterruptStorm(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{Latency: 50 * time.Millisecond})
	content := random(12 << 20) // uploaded in parts
	s.put(t, "read", content)
	m := s.mount(t, root())
	var programs sync.WaitGroup
	var signals atomic.Int64
	for name, r := range map[string]request{
		"read":               {},
		"also read":          {Path: "read"},
		"read calmly":        {Path: "read", Mode: calm},
		"read, no restart":   {Path: "read", Mode: noRestart},
		"written":            {Flags: unix.O_WRONLY | unix.O_CREAT},
		"written calmly":     {Flags: unix.O_WRONLY | unix.O_CREAT, Mode: calm},
		"written no restart": {Flags: unix.O_WRONLY | unix.O_CREAT, Mode: noRestart},
	} {
		p := m.start(t)
		if r.Path == "" {
			r.Path = name
		}
		r.Op, r.Path, r.Size, r.Data = "storm", p.path(r.Path), 100_000, []byte(content)
		programs.Go(func() {
			resp, err := p.call(r)
			if err != nil || string(resp.Data) != content {
				t.Errorf("%s, after %d signals: %v; %d bytes, right %v", name, resp.N, err, len(resp.Data), string(resp.Data) == content)
			}
			signals.Add(int64(resp.N))
			if r.Flags != 0 {
				equal(t, name, s.content(t, name), content)
			}
		})
	}
	programs.Wait()
	if signals.Load() < 500 {
		t.Errorf("only %d signals: no storm", signals.Load())
	}
}

// TestKilledReaderLeavesTheSharedFetch: others wait for the same bytes.
func TestKilledReaderLeavesTheSharedFetch(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, server := startEmulator(t, emulator.Options{})
	s.put(t, "file", "what both read")
	m := s.mount(t, root())
	arrived := server.Counts()[opGet]
	goOn := server.Faults().Add(emulator.Fault{Operation: opGet, Effect: emulator.StallHeader})
	victim, other := m.start(t), m.start(t)
	var readers sync.WaitGroup
	readers.Go(func() { _, _ = victim.readFile("file") }) // killed
	eventually(t, "the object is asked for", func() bool { return server.Counts()[opGet] > arrived })
	readers.Go(func() {
		got, err := other.readFile("file")
		if err != nil || got != "what both read" {
			t.Errorf("the other reader got %q, %v", got, err)
		}
	})
	victim.end()
	goOn()
	readers.Wait()
}

// What of signals a storm has.
const (
	calm      = 1 // none
	noRestart = 2 // their handlers have no SA_RESTART
)

// storm opens a file, reads as many bytes as Data has in pieces of Size, or
// writes them, with fsync(2) halfway, and closes it, while this thread gets
// signals all the time. No system call may be interrupted; a short one is EIO.
// It returns the bytes and how many signals were sent.
func storm(r *request, out *response) error {
	if r.Mode != calm {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		stop := shoot(unix.Gettid(), r.Mode == noRestart)
		defer func() { out.N = stop() }()
	}
	fd, err := unix.Open(r.Path, r.Flags|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	out.Data = make([]byte, len(r.Data))
	for off := 0; off < len(r.Data) && err == nil; off += r.Size {
		err = stormPiece(r, fd, out.Data, off)
	}
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	return err
}

func stormPiece(r *request, fd int, data []byte, off int) error {
	end := min(off+r.Size, len(data))
	piece := data[off:end]
	var n int
	var err error
	if r.Flags != 0 {
		copy(piece, r.Data[off:])
		n, err = unix.Pwrite(fd, piece, int64(off))
		if half := len(data) / 2; err == nil && off < half && end >= half {
			err = unix.Fsync(fd)
		}
	} else {
		n, err = unix.Pread(fd, piece, int64(off))
	}
	if err == nil && n < len(piece) {
		err = syscall.EIO
	}
	return err
}

// shoot sends a thread of this process the signals that programs send
// themselves, Go's preemption and timers, until stop is called, which returns
// how many.
func shoot(thread int, noRestart bool) (stop func() int) {
	done, sent := make(chan struct{}), 0
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, unix.SIGALRM, unix.SIGURG) // so that they interrupt
	restart := func() {}
	if noRestart {
		restart = interruptCalls(unix.SIGALRM, unix.SIGURG)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			for _, s := range []unix.Signal{unix.SIGURG, unix.SIGALRM} {
				_ = unix.Tgkill(os.Getpid(), thread, s) // the thread is there
				sent++
				time.Sleep(50 * time.Microsecond)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	return func() int {
		close(done)
		group.Wait()
		restart()
		signal.Stop(handled)
		return sent
	}
}

// interruptCalls takes SA_RESTART from the handlers of signals, and returns
// how to give it back.
func interruptCalls(signals ...unix.Signal) (undo func()) {
	const restart = 0x10000000
	var before [][4]uint64 // the kernel's struct sigaction: handler, flags, restorer, mask
	set := func(s unix.Signal, action *[4]uint64, old *[4]uint64) {
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(old)), 8, 0, 0); errno != 0 {
			panic(errno)
		}
	}
	for _, s := range signals {
		var action [4]uint64
		set(s, nil, &action)
		before = append(before, action)
		action[1] &^= restart
		set(s, &action, nil)
	}
	return func() {
		for i, s := range signals {
			set(s, &before[i], nil)
		}
	}
}
