package emulator

import (
	"io"
	"net/http"
	"time"
)

const defaultLateWork = 5 * time.Second

func (r *request) has(e Effect) bool { return r.fault != nil && r.fault.Effect == e }

// misbehave applies the faults that come before the work. An error is the
// answer.
func (r *request) misbehave() error {
	switch {
	case r.has(Refuse):
		return r.fault.refusal()
	case r.has(ErrorBody):
		e := r.fault.refusal()
		e.status = http.StatusOK
		return e
	case r.has(StallHeader):
		r.stall()
	case r.has(CutHalf) && r.ContentLength > 0:
		return r.cutHalf()
	}
	return nil
}

// cutHalf takes half of the body and loses the client.
func (r *request) cutHalf() error {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2) // the client may be quicker to go
	r.answer.wrote, r.answer.broken = true, true
	return errBroken
}

// stall waits until the fault is removed, the client goes away or the server
// is closed.
func (r *request) stall() {
	select {
	case <-r.fault.removed:
	case <-r.Context().Done():
	case <-r.server.done:
	}
}

// ready is called by every operation that changes something, between taking
// the request and doing the work: here a LoseLate request loses its client.
// An error means that the server was closed meanwhile.
func (r *request) ready() error {
	if !r.has(LoseLate) {
		return nil
	}
	r.answer.hangUp()
	after := r.fault.After
	if after == 0 {
		after = defaultLateWork
	}
	t := time.NewTimer(after)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.server.done:
		return refuse("ServiceUnavailable", "the server was closed")
	}
}
