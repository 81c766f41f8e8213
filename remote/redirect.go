package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxHops bounds the redirects of one call.
const maxHops = 3

// errRedirect is the cause when a redirect is not followed.
var errRedirect = errors.New("redirect not followed")

// follow takes in a 307: the next attempt goes there, signed anew. The
// signature would be good for whoever receives it, so it stays within the
// endpoint's domain and never leaves TLS.
func (k *call) follow(endpoint *url.URL, resp *http.Response) error {
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" || (to.Scheme != "http" && to.Scheme != "https") {
		return fmt.Errorf("%w: no usable Location", errRedirect)
	}
	from := endpoint
	if k.target != nil {
		from = k.target
	}
	switch {
	case k.hops >= maxHops:
		return fmt.Errorf("%w: more than %d", errRedirect, maxHops)
	case from.Scheme == "https" && to.Scheme != "https":
		return fmt.Errorf("%w: from https to http", errRedirect)
	case !sameDomain(endpoint.Hostname(), to.Hostname()):
		return fmt.Errorf("%w: %s is outside the endpoint's domain", errRedirect, to.Host)
	}
	k.hops++
	k.target = &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawPath: escapePath(to.Path)}
	return nil
}

// redirected reports whether e is a redirect that follow took in.
func (k *call) redirected(e *Error) bool {
	return e.Status == http.StatusTemporaryRedirect && e.Err == nil
}

// sameDomain reports whether both hosts are the same or under one registrable domain.
func sameDomain(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil {
		return false
	}
	da, errA := publicsuffix.EffectiveTLDPlusOne(a)
	db, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && da == db
}
