package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Waits before an attempt: exponential from firstWait to maxWait, each drawn
// evenly between nothing and that ("full jitter": clients that failed
// together do not come back together).
const (
	firstWait = 200 * time.Millisecond
	maxWait   = 20 * time.Second
)

// retry decides about the attempts of one call.
type retry struct {
	deadline time.Time // no attempt begins later
	failed   int       // attempts that failed
	twice    int       // of those, in ways that are tried only twice more
}

// next returns how long to wait before trying again after e, or false for
// no more.
func (r *retry) next(e *Error, now time.Time) (time.Duration, bool) {
	switch classify(e) {
	case final:
		return 0, false
	case few:
		if r.twice++; r.twice > 2 {
			return 0, false
		}
	}
	r.failed++
	wait := rand.N(min(firstWait<<min(r.failed-1, 16), maxWait)) // jitter needs no secrecy
	wait = max(wait, e.retryAfter)
	return wait, now.Add(wait).Before(r.deadline)
}

// class is what trying again can do about an error.
type class int

const (
	final   class = iota // nothing
	few                  // something, but two more attempts tell
	passing              // it passes with time
)

// classify follows the documented table of error codes; beside it, lost
// connections, timeouts and the 5xx answers of proxies pass.
func classify(e *Error) class {
	switch e.Code {
	case OperationAborted, RequestTimeout, InternalError, ServiceUnavailable, SlowDown:
		return passing
	case BadDigest, InvalidDigest, IncompleteBody:
		return few
	}
	switch {
	case e.Err != nil:
		return classifyCause(e.Err)
	case e.Status >= 500 && e.Code != NotImplemented:
		return passing
	}
	return final
}

// classifyCause is classify for the error of a connection or of its bytes.
func classifyCause(err error) class {
	if _, ok := errors.AsType[*sourceError](err); ok {
		return final
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return final
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return final
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errRedirect) || errors.Is(err, http.ErrSchemeMismatch) {
		return final
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return few
	}
	if errors.Is(err, errMalformed) {
		return few
	}
	return passing
}

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return max(0, min(time.Duration(n), 24*3600)*time.Second)
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// sleep waits; the error is why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended is why a context ended: context.Canceled or context.DeadlineExceeded,
// and its cause where it has one.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
