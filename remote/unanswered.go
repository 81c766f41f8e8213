package remote

import (
	"net/http"
	"time"
)

// OnUnanswered has f called for every attempt of a PUT, COPY, COMPLETE UPLOAD,
// DELETE or DELETE MANY that may take effect after its caller went on: its
// request was written, at least in part, and it ended without a whole answer
// (connection lost, timeout, context over) or with one that says no more than
// that something broke (500, 502, 504). f is called once per attempt and key
// (of a copy: the destination), when the attempt ends, whether or not the call
// then succeeds by another. It must not block. Set it once, before the first
// call; nil is none.
func (c *Client) OnUnanswered(f func(p Path, at time.Time)) { c.unanswered = f }

// report tells of an attempt to change these objects that failed with e after
// its request was written.
func (c *Client) report(e *Error, changes ...Path) {
	if c.unanswered == nil || !e.isAmbiguous() {
		return
	}
	for _, p := range changes {
		c.unanswered(p, time.Now())
	}
}

// isAmbiguous reports whether the work may have been done, or be done yet,
// though the attempt failed.
func (e *Error) isAmbiguous() bool {
	switch {
	case e.Err != nil:
		return e.Status/100 != 3 // a redirect is an answer
	case e.Code == InternalError:
		return true // with status 200, too
	case e.Status == http.StatusServiceUnavailable || e.Status == http.StatusNotImplemented:
		return false
	}
	return e.Status >= 500
}
