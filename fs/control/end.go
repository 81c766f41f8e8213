package control

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"
)

var (
	// errTime ends the last uploads of a mount.
	errTime = errors.New("the time for the last uploads is over")

	errEnded = errors.New("the mount has ended")
)

// Ending tells that the mount ends, and returns the context for its last
// uploads. It ends with ctx, after most, or earlier when a client that drains
// the mount has less time.
func (s *Server) Ending(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, most, errTime)
	if s == nil {
		return ctx, stop
	}
	ctx, end := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = end
	if s.overdue > 0 {
		end(errTime)
	}
	return ctx, func() { end(nil); stop() }
}

// drain follows the end of the mount, which somebody brings about by
// unmounting it, and lets it take no longer than the client has time.
func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	var ask drainRequest
	if !read(w, r, &ask) {
		return
	}
	most := time.Duration(ask.Time)
	if most <= 0 {
		most = math.MaxInt64
	}
	s.stream(w, r, func(ctx context.Context) error { return s.follow(ctx, most) })
}

// drainRequest is the body of a request to drain.
type drainRequest struct {
	Time Duration `json:"time,omitempty"` // from now on; default: as long as the mount takes
}

// follow waits until the mount has ended. The error is what is left then.
func (s *Server) follow(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-s.drained:
	case <-ctx.Done():
	case <-timer.C:
		s.hurry(1)
		defer s.hurry(-1)
		select {
		case <-s.drained:
		case <-ctx.Done():
		}
	}
	select {
	case <-s.drained:
		if s.cache.Backlog().Changes > 0 {
			return errEnded
		}
		return nil
	default:
		return ctx.Err()
	}
}

// hurry ends the last uploads, now or as soon as the mount is gone, for as
// long as a client waits who has no more time.
func (s *Server) hurry(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overdue += n; s.overdue > 0 && s.end != nil {
		s.end(errTime)
	}
}
