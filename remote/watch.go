package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

var _ net.Error = (*timeoutError)(nil)

// timeoutError says what did not come in time.
type timeoutError struct {
	what  string
	limit time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%s for %s", e.what, e.limit.Round(time.Millisecond))
}

// Timeout and Temporary make e a net.Error.
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true } // the deprecated half of net.Error

// watch cancels an attempt in which nothing moves. There is no limit on the
// whole: a body may take as long as it moves.
type watch struct {
	ctx      context.Context // the attempt's; this is what the watch cancels
	cancel   context.CancelCauseFunc
	limits   limits
	bodyless bool      // the request has no body, and so waits no longer than
	deadline time.Time // the end of the retry time

	mu    sync.Mutex // leaf; guards the fields below
	timer *time.Timer
	phase *timeoutError // what the timer stands for
	due   time.Time     // when it may fire; a firing that arm overtook comes earlier
	got   bool          // the answer's header came
	asked bool          // the transport tells its steps; it looks for a connection
	wrote bool          // and has begun to write the request
}

func newWatch(ctx context.Context, l limits, bodyless bool, deadline time.Time) *watch {
	w := &watch{limits: l, bodyless: bodyless, deadline: deadline}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	// Until a connection is there the dialer's own limits count; this one is
	// for transports that do not say when.
	w.phase = &timeoutError{"no answer", w.limit(2*l.connect + l.firstByte)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = time.Now().Add(w.phase.limit)
	w.timer = time.AfterFunc(w.phase.limit, w.expire)
	return w
}

// limit is d, and for a request without a body no more than the retry time left.
func (w *watch) limit(d time.Duration) time.Duration {
	if w.bodyless {
		d = min(d, time.Until(w.deadline))
	}
	return max(d, time.Millisecond)
}

func (w *watch) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase != nil && !time.Now().Before(w.due) {
		w.cancel(w.phase)
	}
}

// trace reports the steps of an HTTP request to the watch.
func (w *watch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { w.note(&w.asked) },
		WroteHeaders: func() { w.note(&w.wrote) }, // called before they leave the buffer
		GotConn:      func(httptrace.GotConnInfo) { w.arm("nothing was sent", w.limits.stall, false) },
		WroteRequest: func(httptrace.WroteRequestInfo) { w.arm("no answer", w.limits.firstByte, false) },
	}
}

func (w *watch) note(step *bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*step = true
}

// mayHaveWritten reports whether any byte of the request may have left. Of a
// transport that does not tell its steps it is not known.
func (w *watch) mayHaveWritten() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote || !w.asked
}

// sending says that bytes of the request move.
func (w *watch) sending() { w.arm("no byte could be sent", w.limits.stall, false) }

// answered says that the answer's header came.
func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got, w.phase = true, nil
	w.timer.Stop()
}

// arm starts waiting for what, in the request's phase or in the answer's.
func (w *watch) arm(what string, d time.Duration, answer bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.got != answer {
		return
	}
	if !answer {
		d = w.limit(d)
	}
	if w.phase == nil || w.phase.what != what || w.phase.limit != d {
		w.phase = &timeoutError{what, d}
	}
	w.due = time.Now().Add(d)
	w.timer.Reset(d)
}

// pause stops the clock: it is not the network that is waited for.
func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = nil
	w.timer.Stop()
}

// cause is the timeout that ended the attempt; nil when none did.
func (w *watch) cause() error {
	if t, ok := errors.AsType[*timeoutError](context.Cause(w.ctx)); ok {
		return t
	}
	return nil
}

// stop ends the watch and the attempt's context.
func (w *watch) stop() {
	w.pause()
	w.cancel(nil)
}

// watchedBody is an answer's body; the clock runs only while a Read waits.
type watchedBody struct {
	io.ReadCloser
	watch *watch
}

// Read fails when no byte comes for the stall timeout.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.arm("no byte came", b.watch.limits.stall, true)
	n, err := b.ReadCloser.Read(p)
	b.watch.pause()
	if err != nil && err != io.EOF {
		if cause := b.watch.cause(); cause != nil {
			err = cause
		}
	}
	return n, err
}

// maxDrain is how much of an unread body is read so that its connection can
// be used again, in bytes; beyond it, a new connection is cheaper.
const maxDrain = 64 << 10

func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	_ = body.Close()
}
