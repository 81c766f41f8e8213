package remote

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// emptySHA256 is the SHA-256 of no bytes.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// call is one operation: what is needed to build its request anew for every attempt.
type call struct {
	op       string
	path     Path
	method   string
	query    url.Values
	header   http.Header
	body     io.ReaderAt // nil: none
	size     int64       // of body, in bytes
	signed   bool        // sign the body's SHA-256: for small documents
	digest   bool        // send Content-MD5
	sum      []byte      // the MD5 of body, where it is known
	object   bool        // needs a key: without one it would be a bucket's operation
	bucket   bool        // needs a bucket: without one it would be the account's
	list     bool        // is about a bucket; path.Key is the prefix, for messages
	unsigned bool        // as by somebody without keys

	// changes are the objects that an attempt without an answer may change yet.
	changes []Path

	// accept takes a 2xx answer in, as part of the attempt: what it returns
	// is the attempt's failure, and decides whether there is another.
	accept func(*answer) error

	// done looks whether an earlier attempt, whose answer was lost, did the
	// work after all; it is asked when a later one was answered by an error.
	// nil: sending again does no harm.
	done func(context.Context) bool

	md5      [md5.Size]byte // of body as it was last sent, with digest
	attempts int            // begun so far, for the log
	askFirst bool           // send Expect: 100-continue: an earlier body broke off
	target   *url.URL       // where a redirect sent it; nil: the endpoint
	hops     int            // redirects followed
	signedBy *signer        // the last attempt; nil: nobody
	otherKey bool           // it is tried again with other keys: once
}

// answer is a 2xx answer while it is taken in.
type answer struct {
	*http.Response
	watch *watch
	kept  bool // the body outlives the attempt; whoever has it closes it and the watch
}

// do makes the call, again while it fails in ways that pass, within the retry time.
func (c *Client) do(ctx context.Context, k *call) error {
	if err := k.check(); err != nil {
		return err
	}
	r := retry{deadline: time.Now().Add(c.limits.retry)}
	var said *Error // by the service, last
	for {
		k.attempts++
		e := c.attempt(ctx, k, r.deadline)
		if e == nil {
			return nil
		}
		if c.busy != nil && e.isBusy() {
			c.busy(k.op)
		}
		if ctx.Err() != nil {
			return &Error{Op: k.op, Path: k.path, Err: ended(ctx)}
		}
		if k.redirected(e) {
			continue
		}
		if !k.otherKey && e.aboutKeys() && c.keys.renewed(ctx, k.signedBy) {
			k.otherKey = true
			continue
		}
		if r.failed > 0 && e.Status != 0 && k.done != nil && k.done(ctx) {
			return nil
		}
		wait, again := r.next(e, time.Now())
		if e.Status != 0 {
			said = e
		}
		switch {
		case !again && said != nil && len(k.changes) == 0 && !time.Now().Before(r.deadline):
			return said // that the last attempt was cut short tells less
		case !again:
			return e
		}
		c.log.Debug("trying again", "op", k.op, "path", k.path.String(), "error", e, "attempt", k.attempts, "wait", wait)
		if err := sleep(ctx, wait); err != nil {
			return &Error{Op: k.op, Path: k.path, Err: err}
		}
	}
}

// check refuses what no service could take.
func (k *call) check() error {
	p := k.path.Resolve()
	if len(p.Key) > MaxKeyLength && !k.list {
		return &Error{Op: k.op, Path: k.path, Code: KeyTooLong, Hint: hintOf(KeyTooLong)}
	}
	if p.Bucket == "" && (k.object || k.bucket || k.list) {
		return &Error{Op: k.op, Path: k.path, Code: InvalidBucketName, Hint: hintOf(InvalidBucketName)}
	}
	if k.object && p.Key == "" {
		return &Error{Op: k.op, Path: k.path, Code: UserKeyMustBeSpecified}
	}
	for name, values := range k.header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !validHeader(v) {
				return &Error{Op: k.op, Path: k.path, Code: InvalidArgument,
					Message: "HTTP cannot carry this header: " + name}
			}
		}
	}
	return nil
}

// validHeader reports whether HTTP carries s unchanged. Tabs are left out:
// servers differ in how they stand in a signature.
func validHeader(s string) bool {
	return s == strings.Trim(s, " ") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// attempt sends the call once.
func (c *Client) attempt(ctx context.Context, k *call, deadline time.Time) (failure *Error) {
	if ctx.Err() != nil {
		return k.wrap(ended(ctx), nil)
	}
	w := newWatch(ctx, c.limits, k.size == 0, deadline)
	src := &source{body: k.body, size: k.size, watch: w}
	req, err := c.request(w.ctx, k, src)
	if err != nil {
		w.stop()
		return k.wrap(err, nil)
	}
	defer func() {
		if failure != nil && w.mayHaveWritten() {
			c.report(failure, k.changes...)
		}
	}()
	resp, err := c.transport.RoundTrip(req)
	src.detach()
	if err != nil {
		defer w.stop()
		return c.failed(k, src, w, err)
	}
	w.answered()
	a := &answer{Response: resp, watch: w}
	resp.Request = req
	resp.Body = &watchedBody{ReadCloser: resp.Body, watch: w}
	defer func() {
		if !a.kept {
			drain(resp.Body)
			w.stop()
		}
	}()
	if skew, ok := skewOf(resp.Header); ok {
		c.skew.Store(&skew)
	}
	if resp.StatusCode/100 != 2 {
		e := errorOf(k, resp)
		if resp.StatusCode == http.StatusTemporaryRedirect {
			e.Err = k.follow(c.endpoint, resp)
		}
		return e
	}
	if k.accept == nil {
		return nil
	}
	return k.wrap(k.accept(a), resp)
}

// wrap makes the error of a request that could not be made (resp is nil), or
// of an answer that could not be taken in.
func (k *call) wrap(err error, resp *http.Response) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Op: k.op, Path: k.path, Err: err}
	if resp != nil {
		e.Status, e.RequestID = resp.StatusCode, resp.Header.Get("x-amz-request-id")
	}
	return e
}

// failed makes the error of an attempt that got no answer.
func (c *Client) failed(k *call, src *source, w *watch, err error) *Error {
	if src.sent() {
		k.askFirst = true
	}
	if cause := w.cause(); cause != nil {
		err = cause
	}
	if srcErr := src.failure(); srcErr != nil {
		err = &sourceError{srcErr}
	}
	return &Error{Op: k.op, Path: k.path, Err: err}
}

// request builds and signs the request of one attempt.
func (c *Client) request(ctx context.Context, k *call, src *source) (*http.Request, error) {
	req := &http.Request{
		Method: k.method, URL: c.url(k), Header: http.Header{}, Host: c.endpoint.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if k.target != nil {
		req.Host = k.target.Host
	}
	for name, v := range k.header {
		req.Header[name] = v
	}
	req.Header.Set("User-Agent", c.userAgent)
	payload, err := k.payload(req.Header, &c.sums)
	if err != nil {
		return nil, err
	}
	if k.size > 0 {
		req.ContentLength = k.size
		if req.Body, err = src.reader(); err != nil {
			return nil, k.wrap(err, nil)
		}
		req.GetBody = src.reader
	}
	if !k.unsigned {
		k.signedBy = c.keys.signer(ctx)
		k.signedBy.sign(req, payload, time.Now())
	}
	if k.askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	return req.WithContext(httptrace.WithClientTrace(ctx, src.watch.trace())), nil
}

// payload hashes the body as the call asks, sets Content-MD5, and returns
// what to sign as its SHA-256.
func (k *call) payload(h http.Header, sums *sums) (string, error) {
	if k.body == nil {
		return emptySHA256, nil
	}
	payload := unsignedPayload
	if k.size == 0 {
		payload = emptySHA256
	}
	if k.digest && len(k.sum) == md5.Size {
		copy(k.md5[:], k.sum)
	} else if m, ok := k.body.(Memory); ok && k.digest {
		k.md5 = sums.of(m[:k.size])
	} else if k.digest {
		sum := md5.New()
		if err := copyAll(sum, k.body, k.size); err != nil {
			return "", &Error{Op: k.op, Path: k.path, Err: &sourceError{err}}
		}
		sum.Sum(k.md5[:0])
	}
	if k.digest {
		h.Set("Content-Md5", base64.StdEncoding.EncodeToString(k.md5[:]))
	}
	if k.signed {
		sum := sha256.New()
		if err := copyAll(sum, k.body, k.size); err != nil {
			return "", &Error{Op: k.op, Path: k.path, Err: &sourceError{err}}
		}
		payload = hex.EncodeToString(sum.Sum(nil))
	}
	return payload, nil
}

// url is where the call goes: path style, and every byte of the names escaped.
func (c *Client) url(k *call) *url.URL {
	query := strings.ReplaceAll(k.query.Encode(), "+", "%20")
	if k.target != nil {
		u := *k.target
		u.RawQuery = query
		return &u
	}
	u := *c.endpoint
	p := k.path.Resolve()
	u.Path = "/" + p.Bucket
	if p.Key != "" && !k.list {
		u.Path += "/" + p.Key
	}
	u.RawPath = escapePath(u.Path)
	u.RawQuery = query
	return &u
}
