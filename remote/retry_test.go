package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ncloudfs/remote"
)

// script is a transport in memory: it answers the n-th request, from 0.
type script func(n int, r *http.Request) (*http.Response, error)

// scripted is a client of a script, and the number of requests it sent.
func scripted(t *testing.T, s script, edit ...func(*remote.Options)) (*remote.Client, *int) {
	t.Helper()
	n := 0
	var mu sync.Mutex
	next := func() int {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n - 1
	}
	o := remote.Options{Endpoint: "https://kr.object.ncloudstorage.com", Credentials: aliceKeys(),
		Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			return s(next(), r)
		})}
	for _, e := range edit {
		e(&o)
	}
	c, err := remote.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, &n
}

type transportFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is an HTTP answer with headers given as NAME, VALUE, ...
func answer(r *http.Request, status int, body string, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Request: r, Header: http.Header{},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp
}

func refusal(r *http.Request, status int, code string, headers ...string) *http.Response {
	return answer(r, status, "<Error><Code>"+code+"</Code><Message>in words</Message><RequestId>id-1</RequestId></Error>", headers...)
}

// described is a good answer to HEAD and GET.
func described(r *http.Request, body string) *http.Response {
	return answer(r, http.StatusOK, body, "ETag", `"e1"`, "Content-Length", fmt.Sprint(len(body)),
		"Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT", "Date", time.Now().UTC().Format(http.TimeFormat))
}

// The documented table of error codes (Object Storage API guide): the status
// of each, what it means to a caller, and how often it is tried again.
func TestEveryDocumentedCode(t *testing.T) {
	const never, twice, always = 1, 3, 0
	for _, test := range []struct {
		code     remote.Code
		status   int
		attempts int
		sentinel error
	}{
		{remote.NoSuchKey, 404, never, fs.ErrNotExist},
		{remote.NoSuchBucket, 404, never, fs.ErrNotExist},
		{remote.NoSuchUpload, 404, never, nil},
		{remote.AccessDenied, 403, never, fs.ErrPermission},
		{remote.InvalidAccessKeyID, 403, never, fs.ErrPermission},
		{remote.SignatureDoesNotMatch, 403, never, fs.ErrPermission},
		{remote.InvalidSecurity, 403, never, fs.ErrPermission},
		{remote.CredentialsNotSupported, 400, never, fs.ErrPermission},
		{remote.RequestTimeTooSkewed, 403, never, nil},
		{remote.InvalidObjectState, 403, never, fs.ErrPermission},
		{remote.PreconditionFailed, 412, never, remote.ErrChanged},
		{remote.OperationAborted, 409, always, nil},
		{remote.BucketNotEmpty, 409, never, nil},
		{remote.BucketAlreadyExists, 409, never, fs.ErrExist},
		{remote.InvalidBucketState, 409, never, nil},
		{remote.TooManyBuckets, 400, never, nil},
		{remote.InvalidBucketName, 400, never, nil},
		{remote.InvalidURI, 400, never, nil},
		{remote.InvalidArgument, 400, never, nil},
		{remote.InvalidLocationConstraint, 400, never, nil},
		{remote.MalformedACL, 400, never, nil},
		{remote.MalformedPOSTRequest, 400, never, nil},
		{remote.MalformedXML, 400, never, nil},
		{remote.MaxMessageLengthExceeded, 400, never, nil},
		{remote.MissingRequestBody, 400, never, nil},
		{remote.UserKeyMustBeSpecified, 400, never, nil},
		{remote.UnresolvableGrantByEmailAddress, 400, never, nil},
		{remote.InlineDataTooLarge, 400, never, nil},
		{remote.UnexpectedContent, 400, never, nil},
		{remote.MaxPostPreDataLengthExceeded, 400, never, nil},
		{remote.RequestIsNotMultiPartContent, 400, never, nil},
		{remote.IncorrectNumberOfFilesInPostRequest, 400, never, nil},
		{remote.InvalidEncryptionAlgorithm, 400, never, nil},
		{remote.InvalidRequest, 400, never, nil},
		{remote.EntityTooLarge, 400, never, remote.ErrTooLarge},
		{remote.EntityTooSmall, 400, never, nil},
		{remote.InvalidPart, 400, never, nil},
		{remote.InvalidPartOrder, 400, never, nil},
		{remote.KeyTooLong, 400, never, remote.ErrTooLarge},
		{remote.MetadataTooLarge, 400, never, remote.ErrTooLarge},
		{remote.BadDigest, 400, twice, nil},
		{remote.InvalidDigest, 400, twice, nil},
		{remote.IncompleteBody, 400, twice, nil},
		{remote.RequestTimeout, 400, always, nil},
		{remote.InternalError, 500, always, nil},
		{remote.ServiceUnavailable, 503, always, nil},
		{remote.SlowDown, 503, always, nil},
		{remote.MethodNotAllowed, 405, never, errors.ErrUnsupported},
		{remote.NotImplemented, 501, never, errors.ErrUnsupported},
		{remote.MissingContentLength, 411, never, nil},
	} {
		t.Run(string(test.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
					return refusal(r, test.status, string(test.code)), nil
				}, func(o *remote.Options) { o.RetryTime = 2 * time.Minute })
				begin := time.Now()
				_, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, strings.NewReader("x"), 1, remote.PutOptions{})
				wantCode(t, "Put", err, test.code, test.sentinel)
				if test.attempts == always {
					if *n < 8 || time.Since(begin) < time.Minute || time.Since(begin) > 2*time.Minute {
						t.Errorf("%d attempts in %v", *n, time.Since(begin))
					}
				} else {
					equal(t, "attempts", *n, test.attempts)
				}
				e, _ := errors.AsType[*remote.Error](err)
				equal(t, "request id", e.RequestID, "id-1")
				equal(t, "message", e.Message, "in words")
				equal(t, "says what to do", e.Hint != "", test.code != remote.NoSuchKey)
				for _, sentinel := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, errors.ErrUnsupported, remote.ErrChanged, remote.ErrTooLarge} {
					equal(t, "is "+sentinel.Error(), errors.Is(err, sentinel), sentinel == test.sentinel)
				}
			})
		})
	}
}

// HEAD answers carry no body: only the status is known.
func TestHeadGoesByStatus(t *testing.T) {
	for status, want := range map[int]remote.Code{
		400: remote.InvalidRequest, 403: remote.AccessDenied, 404: remote.NoSuchKey, 405: remote.MethodNotAllowed,
		412: remote.PreconditionFailed, 501: remote.NotImplemented, 301: remote.PermanentRedirect, 418: "",
	} {
		c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) { return answer(r, status, ""), nil })
		_, err := c.Head(t.Context(), remote.Path{Bucket: "b", Key: "k"})
		wantCode(t, fmt.Sprint(status), err, want, nil)
		equal(t, "attempts", *n, 1)
		if status == 404 {
			wantCode(t, "bucket", c.HeadBucket(t.Context(), "b"), remote.NoSuchBucket, nil)
		}
	}
}

// What a proxy answers in the service's place passes too.
func TestGatewayErrorsAreTriedAgain(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503, 504, 599} {
		synctest.Test(t, func(t *testing.T) {
			c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
				if n < 2 {
					return answer(r, status, "<html>sorry</html>"), nil
				}
				return described(r, "hello"), nil
			})
			equal(t, "content", get(t, c, remote.Path{Bucket: "b", Key: "k"}), "hello")
			equal(t, "attempts", *n, 3)
		})
	}
}

// What the service said says more than that the last attempt was cut short, but
// not of a change, which that attempt may have made.
func TestLastWordOfTheServiceIsReported(t *testing.T) {
	for what, test := range map[string]struct {
		ask  func(ctx context.Context, c *remote.Client) error
		code remote.Code
	}{
		"a look": {func(ctx context.Context, c *remote.Client) error {
			_, err := c.Head(ctx, remote.Path{Bucket: "b", Key: "k"})
			return err
		}, remote.ServiceUnavailable},
		"a change": {func(ctx context.Context, c *remote.Client) error {
			return c.Delete(ctx, remote.Path{Bucket: "b", Key: "k"})
		}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
					if n == 0 {
						return refusal(r, 503, "ServiceUnavailable"), nil
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				}, func(o *remote.Options) { o.RetryTime = 2 * time.Second })
				wantCode(t, what, test.ask(t.Context(), c), test.code, nil)
				equal(t, "attempts", *n, 2)
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for what, header := range map[string]func() string{
		"seconds": func() string { return "17" },
		"date":    func() string { return time.Now().Add(17 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
					if n == 0 {
						return refusal(r, 503, "SlowDown", "Retry-After", header()), nil
					}
					return described(r, ""), nil
				})
				begin := time.Now()
				if _, err := c.Head(t.Context(), remote.Path{Bucket: "b", Key: "k"}); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(begin); d < 16*time.Second || d > 18*time.Second || *n != 2 {
					t.Errorf("%d attempts in %v", *n, d)
				}
			})
		})
	}
}

// A Retry-After beyond the retry time ends the call at once.
func TestRetryAfterTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			return refusal(r, 503, "SlowDown", "Retry-After", "3600"), nil
		})
		begin := time.Now()
		_, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{})
		wantCode(t, "Get", err, remote.SlowDown, nil)
		equal(t, "attempts", *n, 1)
		equal(t, "time", time.Since(begin), 0)
	})
}

func TestCancelWhileWaitingToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			return refusal(r, 503, "SlowDown", "Retry-After", "60"), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := c.Head(ctx, remote.Path{Bucket: "b", Key: "k"})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second || *n != 1 {
			t.Errorf("%v after %v and %d attempts", err, time.Since(begin), *n)
		}
	})
}

// A cancelled call is context.Canceled whatever the cause, which it carries too.
func TestCancelCause(t *testing.T) {
	cause := errors.New("the mount ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	c, _ := scripted(t, silent)
	_, err := c.Head(ctx, remote.Path{Bucket: "b", Key: "k"})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Error(err)
	}
}

// Every attempt reads the body from its start, wherever the last one broke off.
func TestRetryReadsTheBodyFromItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := random(1, 1000)
		c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
			if n < 3 {
				_, _ = io.ReadFull(r.Body, make([]byte, 300*n))
				return nil, errors.New("connection reset")
			}
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != string(content) {
				t.Errorf("attempt %d: %d bytes, %v", n, len(got), err)
			}
			return answer(r, 200, "", "ETag", `"`+string(md5Of(content))+`"`), nil
		})
		r, size := reader(content)
		if _, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, r, size, remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		equal(t, "attempts", *n, 4)
	})
}

// After a body broke off, the next attempt asks before it sends: an early
// refusal closes the connection, and would look like a broken one for ever.
func TestBrokenBodyIsOfferedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
			equal(t, "Expect", r.Header.Get("Expect"), map[bool]string{true: "100-continue"}[n > 0])
			if n == 0 {
				_, _ = r.Body.Read(make([]byte, 10))
				return nil, errors.New("connection reset")
			}
			return refusal(r, 403, "AccessDenied"), nil
		})
		_, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, strings.NewReader("content"), 7, remote.PutOptions{})
		wantCode(t, "Put", err, remote.AccessDenied, nil)
		equal(t, "attempts", *n, 2)
	})
}

// A body of our own that cannot be read is our failure: no retry, no object.
func TestUnreadableBodyIsFinal(t *testing.T) {
	c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) { return answer(r, 200, ""), nil })
	_, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, strings.NewReader("short"), 100, remote.PutOptions{})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	equal(t, "requests", *n, 0)
}

// Nothing reads the body after the call has returned, but for a copy of a small one:
// its memory is the caller's again.
func TestBodyIsTheCallersAgain(t *testing.T) {
	var body io.Reader
	c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
		body = r.Body
		return refusal(r, 403, "AccessDenied"), nil
	})
	_, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, bytes.NewReader(make([]byte, 100_000)), 100_000, remote.PutOptions{})
	wantCode(t, "Put", err, remote.AccessDenied, nil)
	if n, err := body.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("read %d bytes afterwards", n)
	}
}
