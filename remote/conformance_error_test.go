package remote_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote"
)

func TestWrongKeys(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		bucket := s.bucket(t)
		for _, test := range []struct {
			keys remote.Credentials
			code remote.Code
		}{
			{remote.Credentials{AccessKey: "AKNOBODY", SecretKey: "SKALICE"}, remote.InvalidAccessKeyID},
			{remote.Credentials{AccessKey: "AKALICE", SecretKey: "wrong-but-secret"}, remote.SignatureDoesNotMatch},
			{remote.Credentials{Anonymous: true}, remote.AccessDenied},
		} {
			c := s.client(t, test.keys)
			_, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
			wantCode(t, "ListPage", err, test.code, fs.ErrPermission)
			if e, ok := errors.AsType[*remote.Error](err); !ok || e.Hint == "" || e.Status != http.StatusForbidden || e.RequestID == "" {
				t.Errorf("%+v", e)
			}
			if strings.Contains(err.Error(), "secret-but") || strings.Contains(err.Error(), "SKALICE") {
				t.Errorf("%v holds the secret", err)
			}
			_, err = c.Head(t.Context(), remote.Path{Bucket: bucket, Key: "f"}) // its answer has no body
			wantCode(t, "Head", err, remote.AccessDenied, fs.ErrPermission)
		}
	})
}

// skewed is a transport whose requests carry a date that is off.
type skewed struct {
	http.RoundTripper
	by time.Duration
}

// RoundTrip also lets the answer's Date be off, so that this machine's clock
// seems to be.
func (s skewed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Set("Date", time.Now().Add(-s.by).UTC().Format(http.TimeFormat))
	}
	return resp, err
}

func TestClockSkewIsKnown(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c := s.alice(t)
		if _, ok := c.ClockSkew(); ok {
			t.Error("known before the first answer")
		}
		bucket := s.bucket(t)
		if err := c.HeadBucket(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		if skew, ok := c.ClockSkew(); !ok || skew.Abs() > 10*time.Second {
			t.Errorf("%v %v", skew, ok)
		}
		off := s.client(t, remote.Credentials{Anonymous: true}, func(o *remote.Options) {
			o.Transport = skewed{s.transport, 2 * time.Hour}
		})
		err := off.HeadBucket(t.Context(), bucket)
		wantCode(t, "HeadBucket", err, remote.RequestTimeTooSkewed, nil) // its 403 has no body
		if !strings.Contains(err.Error(), "clock") || !strings.Contains(err.Error(), "2h0m") || !strings.Contains(err.Error(), "ahead") {
			t.Errorf("the clock is not blamed: %v", err)
		}
	})
}

// Content-MD5 is honoured: a body that changed on its way is refused, tried
// again twice, and reported.
func TestBodyThatChangesOnItsWay(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		p := remote.Path{Bucket: s.bucket(t), Key: "f"}
		counting := &countingTransport{RoundTripper: s.transport}
		c := s.client(t, aliceKeys(), func(o *remote.Options) { o.Transport = counting })
		_, err := c.Put(t.Context(), p, &changing{}, 100, remote.PutOptions{})
		wantCode(t, "Put", err, remote.BadDigest, nil)
		equal(t, "attempts", counting.n.Load(), 3)
		_, err = s.alice(t).Head(t.Context(), p)
		wantCode(t, "Head", err, remote.NoSuchKey, nil)
	})
}

// breaking breaks off the first request's body.
type breaking struct {
	http.RoundTripper
	n atomic.Int64
}

// RoundTrip reads a little of the first body and loses the connection.
func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.n.Add(1) == 1 {
		_, _ = r.Body.Read(make([]byte, 10))
		return nil, errors.New("connection reset")
	}
	return b.RoundTripper.RoundTrip(r)
}

// After a body broke off the next one is offered with Expect: 100-continue:
// taken when it is welcome, refused before it is sent when it is not.
func TestExpectContinue(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		p := remote.Path{Bucket: s.bucket(t), Key: "f"}
		content := string(random(1, 1<<20))
		client := func(keys remote.Credentials) *remote.Client {
			return s.client(t, keys, func(o *remote.Options) { o.Transport = &breaking{RoundTripper: s.transport} })
		}
		put(t, client(aliceKeys()), p, content, remote.PutOptions{})
		equal(t, "content", get(t, s.alice(t), p) == content, true)
		_, err := client(bobKeys()).Put(t.Context(), p, strings.NewReader(content), int64(len(content)), remote.PutOptions{})
		wantCode(t, "bob's", err, remote.AccessDenied, fs.ErrPermission)
	})
}
