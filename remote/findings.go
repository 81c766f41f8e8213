package remote

import "errors"

// Findings is what an endpoint was found to offer beyond what it documents.
type Findings struct {
	ConditionalPut bool `json:"conditionalPut"` // PUT honours If-Match
	PartCopy       bool `json:"partCopy"`       // Upload Part Copy, which honours x-amz-copy-source-if-match

	PartSize int64 `json:"partSize,omitempty"` // bytes of the smallest part that is taken, where the usual ones are not; 0: they are
}

// Findings returns what the endpoint offers, as far as is known: what Options
// said, less what the service has refused since.
func (c *Client) Findings() Findings { return *c.findings.Load() }

// correct takes back a finding when the service says that it does not offer
// the operation, and reports whether it did.
func (c *Client) correct(err error, take func(*Findings)) bool {
	if !errors.Is(err, errors.ErrUnsupported) {
		return false
	}
	c.correcting.Lock()
	defer c.correcting.Unlock()
	was := c.Findings()
	f := was
	if take(&f); f == was {
		return true // another request was quicker
	}
	c.findings.Store(&f)
	c.log.Warn("the service does not offer what `ncloudfs doctor` found; it is done without", "err", err)
	if c.onFindings != nil {
		c.onFindings(f)
	}
	return true
}
