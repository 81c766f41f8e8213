package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options is how to reach an object store. The zero value of a field is its default.
type Options struct {
	Endpoint string // URL; empty: the region's
	Region   string // "kr" (default), "us", ... or a SigV4 region name with Endpoint

	Credentials Credentials

	// FindKeys is asked for keys when those in use expire or are refused: where
	// they come from may have others. Default: they never change.
	FindKeys func(context.Context) (Credentials, error)

	ConnectTimeout   time.Duration // of TCP, and again of TLS; default 10 s
	FirstByteTimeout time.Duration // from the end of the request to the answer's header; default 60 s
	StallTimeout     time.Duration // no byte of a body in either direction; default 30 s

	// RetryTime is for all attempts of one call together; default 5 min. No
	// attempt begins later, and none without a body waits longer; a body that
	// is still moving then may end.
	RetryTime time.Duration

	Findings   Findings       // what the endpoint is known to offer; default nothing undocumented
	OnFindings func(Findings) // called when an answer corrects them; default none

	Transport http.RoundTripper // default: NewTransport
	Logger    *slog.Logger      // default: discards
	UserAgent string            // default "ncloudfs"
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() (Options, error) {
	o.ConnectTimeout = orDefault(o.ConnectTimeout, 10*time.Second)
	o.FirstByteTimeout = orDefault(o.FirstByteTimeout, time.Minute)
	o.StallTimeout = orDefault(o.StallTimeout, 30*time.Second)
	o.RetryTime = orDefault(o.RetryTime, 5*time.Minute)
	if o.UserAgent == "" {
		o.UserAgent = "ncloudfs"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		t, err := NewTransport(o)
		if err != nil {
			return o, err
		}
		o.Transport = t
	}
	return o, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// target returns the URL of the endpoint and the SigV4 region.
func (o Options) target() (*url.URL, string, error) {
	region, known := FindRegion(o.Region)
	if o.Endpoint == "" {
		if o.Region == "" {
			region, known = Regions()[0], true
		}
		if !known {
			return nil, "", fmt.Errorf("unknown region %q: one of %s, or give the endpoint", o.Region, regionNames())
		}
		u, err := url.Parse(region.Endpoint)
		return u, region.SigV4, err
	}
	u, err := parseEndpoint(o.Endpoint)
	if err != nil {
		return nil, "", err
	}
	switch {
	case known:
		return u, region.SigV4, nil
	case o.Region != "":
		return u, o.Region, nil
	}
	if r, ok := regionOfHost(u.Host); ok {
		return u, r.SigV4, nil
	}
	return u, Regions()[0].SigV4, nil
}

// parseEndpoint accepts a URL of scheme and host; without a scheme it is https.
func parseEndpoint(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", errors.Unwrap(err)) // without the URL: it could hold a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("endpoint %q: want http://HOST[:PORT] or https://HOST[:PORT]", u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func regionNames() string {
	var names []string
	for _, r := range Regions() {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}
