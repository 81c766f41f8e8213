package remote

import (
	"errors"
	"net"
	"net/http"
)

// OnBusy has f called for every attempt that the service refused because it had
// too much to do (SlowDown, ServiceUnavailable, any 503), or did not answer in
// time, with the kind of request, as errors name it. It must not block. Set it
// once, before the first call; nil is none.
func (c *Client) OnBusy(f func(op string)) { c.busy = f }

// isBusy reports whether fewer requests at once might have been served.
func (e *Error) isBusy() bool {
	switch e.Code {
	case SlowDown, ServiceUnavailable, RequestTimeout:
		return true
	}
	var timeout net.Error
	return e.Status == http.StatusServiceUnavailable || errors.As(e.Err, &timeout) && timeout.Timeout()
}
