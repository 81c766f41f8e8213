package remote

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Client speaks to one object store with one pair of keys. It is safe for
// concurrent use.
type Client struct {
	endpoint  *url.URL
	region    string
	keys      *keys
	transport http.RoundTripper
	log       *slog.Logger
	userAgent string
	limits    limits
	etags     etagKinds
	sums      sums
	skew      atomic.Pointer[time.Duration]
	findings  atomic.Pointer[Findings]

	correcting sync.Mutex // held while findings are corrected

	unanswered func(Path, time.Time) // nil: none; see OnUnanswered
	busy       func(op string)       // nil: none; see OnBusy
	onFindings func(Findings)        // nil: none; see Options
}

// limits are the timeouts of Options, none of them zero.
type limits struct {
	connect, firstByte, stall, retry time.Duration
}

// New returns a client. It sends no request.
func New(o Options) (*Client, error) {
	endpoint, region, err := o.target()
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	if !o.Credentials.Anonymous && (o.Credentials.AccessKey == "" || o.Credentials.SecretKey == "") {
		return nil, errors.New("object store: no access key and secret key given, and not asked to be anonymous")
	}
	c := &Client{
		endpoint:  endpoint,
		region:    region,
		keys:      newKeys(o, region),
		transport: o.Transport,
		log:       o.Logger,
		userAgent: o.UserAgent,
		limits:    limits{o.ConnectTimeout, o.FirstByteTimeout, o.StallTimeout, o.RetryTime},

		onFindings: o.OnFindings,
	}
	c.findings.Store(&o.Findings)
	return c, nil
}

// Endpoint returns the URL of the endpoint, without a trailing slash.
func (c *Client) Endpoint() string { return c.endpoint.String() }

// Region returns the SigV4 region.
func (c *Client) Region() string { return c.region }

// ClockSkew returns this machine's clock less the server's, by the Date header
// of the newest answer (whole seconds, and the answer's way included); false
// before the first.
func (c *Client) ClockSkew() (time.Duration, bool) {
	if d := c.skew.Load(); d != nil {
		return *d, true
	}
	return 0, false
}
