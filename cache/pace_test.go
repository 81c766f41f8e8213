package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"ncloudfs/remote/emulator"
)

// line is a connection to a service that serves lanes transfers at full speed,
// 100 ms for each, and more of them slower.
type line struct {
	*pace
	lanes int
}

// transfer moves one part.
func (l *line) transfer(t *testing.T) {
	if err := l.acquire(t.Context()); err != nil {
		t.Error(err)
		return
	}
	l.mu.Lock()
	slower := max(float64(l.active)/float64(l.lanes), 1)
	l.mu.Unlock()
	time.Sleep(time.Duration(slower * float64(100*time.Millisecond)))
	l.done(8 << 20)
}

// run has users programs transfer n parts each.
func (l *line) run(t *testing.T, users, n int) {
	t.Helper()
	for range users {
		go func() {
			for range n {
				l.transfer(t)
			}
		}()
	}
	synctest.Wait()
	for l.busyNow() {
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
}

func (l *line) busyNow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active+len(l.waiting) > 0
}

func (l *line) checkAllowed(t *testing.T, least, most int) {
	t.Helper()
	if n := l.Allowed(); n < least || n > most {
		t.Errorf("%d may run at once, want %d to %d", n, least, most)
	}
}

func TestMoreTransfersRunWhileThatBringsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{newPace(8, 32), 16}
		l.run(t, 40, 100)
		l.checkAllowed(t, 14, 20)
		l.lanes = 1000
		l.run(t, 40, 100)
		l.checkAllowed(t, 32, 32)
	})
}

func TestTransfersThatDoNotUseWhatTheyMaySayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{newPace(8, 32), 1000}
		l.run(t, 4, 100)
		l.checkAllowed(t, 8, 8)
	})
}

func TestBusyServiceGetsHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{newPace(8, 32), 4}
		l.busy()
		l.busy() // of the same moment
		l.checkAllowed(t, 4, 4)
		time.Sleep(pacePause)
		l.busy()
		time.Sleep(pacePause)
		l.busy()
		l.checkAllowed(t, paceLeast, paceLeast)
		l.lanes = 1000
		l.run(t, 40, 100)
		l.checkAllowed(t, 20, 32)
	})
}

func TestGivenUpWaitForATurnLeavesItToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		noError(t, p.acquire(ctx))
		var second, third error
		go func() { second = p.acquire(ctx) }()
		synctest.Wait()
		go func() { third = p.acquire(t.Context()) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if second == nil {
			t.Error("the wait did not end")
		}
		p.done(1)
		synctest.Wait()
		noError(t, third)
		p.done(1)
		if p.active != 0 || len(p.waiting) != 0 {
			t.Errorf("%d run, %d wait", p.active, len(p.waiting))
		}
	})
}

func TestRefusedPartsAreSentFewerAtOnce(t *testing.T) {
	m := mount(t, Options{})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Count: 1, Effect: emulator.Refuse, Code: "SlowDown"})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpGetObject, Count: 1, Effect: emulator.Refuse, Code: "SlowDown"})
	m.create("a", random("a", 20<<20))
	if n := m.uploads.Allowed(); n != uploadsInFlight/2 {
		t.Errorf("%d parts may be sent at once", n)
	}
	r := m.Reader(m.put("b", random("b", 1000)))
	defer r.Close()
	view, err := r.Read(t.Context(), 0, 1000)
	noError(t, err)
	view.Release()
	if n := m.fetch.pace.Allowed(); n != defaultParallel/2 {
		t.Errorf("%d requests may run at once", n)
	}
}
