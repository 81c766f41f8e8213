package remote_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// What Complete answers is compared with the parts, and where that tells
// nothing, the object is looked at.
func TestCompleteIsVerified(t *testing.T) {
	const size = 4
	combined, ok := remote.CombinedETag([]remote.Part{{ETag: md5Of([]byte("part"))}})
	equal(t, "combined", ok, true)
	found := func(etag remote.ETag, size int) script {
		return func(_ int, r *http.Request) (*http.Response, error) {
			return answer(r, 200, "", "ETag", string(etag), "Content-Length", fmt.Sprint(size), "Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"), nil
		}
	}
	status := func(status int) script {
		return func(_ int, r *http.Request) (*http.Response, error) { return answer(r, status, ""), nil }
	}
	for what, test := range map[string]struct {
		opaque   bool // ETags are not MD5s, and nothing is known of the bucket
		answered remote.ETag
		head     script // nil: must not be asked
		code     remote.Code
		etag     remote.ETag // of the result
	}{
		"as it should be":              {answered: combined, etag: combined},
		"nothing known, but combined":  {opaque: true, answered: combined, etag: combined},
		"other parts":                  {answered: "other-1", head: found("other-1", size), code: remote.BadDigest},
		"other parts, not to be seen":  {answered: "other-1", head: status(403), code: remote.BadDigest},
		"a wrong answer":               {answered: "other-1", head: found(combined, size), etag: combined},
		"no ETag of parts":             {answered: "other", head: found("other", size), etag: "other"},
		"nothing known":                {opaque: true, answered: "other-1", head: found("other-1", size), etag: "other-1"},
		"another size":                 {opaque: true, answered: "other-1", head: found("other-1", size-1), code: remote.BadDigest},
		"not to be seen":               {opaque: true, answered: "other-1", head: status(403), etag: "other-1"},
		"not there":                    {opaque: true, answered: "other-1", head: status(404), code: remote.NoSuchKey},
		"replaced by another meantime": {opaque: true, answered: "other-1", head: found("newer", 9), etag: "other-1"},
	} {
		t.Run(what, func(t *testing.T) {
			heads := 0
			c, _ := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
				switch {
				case r.Method == http.MethodHead && test.head != nil:
					heads++
					return test.head(n, r)
				case r.Method == http.MethodPost:
					return answer(r, 200, "<CompleteMultipartUploadResult><ETag>"+string(test.answered)+"</ETag></CompleteMultipartUploadResult>"), nil
				case r.Method == http.MethodPut && test.opaque:
					return answer(r, 200, "", "ETag", string(md5Of([]byte("opaque")))), nil
				case r.Method == http.MethodPut:
					return answer(r, 200, "", "ETag", string(md5Of([]byte("part")))), nil
				}
				t.Errorf("unexpected %s", r.Method)
				return status(400)(n, r)
			})
			u := c.Resume(remote.Path{Bucket: "b", Key: "k"}, "id", remote.PutOptions{})
			part := sendPart(t, u, 1, []byte("part"))
			part.ETag = md5Of([]byte("part")) // what combined is made of
			o, err := u.Complete(t.Context(), []remote.Part{part})
			wantCode(t, "Complete", err, test.code, nil)
			equal(t, "ETag", o.ETag, test.etag)
			if err == nil {
				equal(t, "size", o.Size, size)
			}
			equal(t, "looked", heads == 1, test.head != nil)
		})
	}
}

// mangling spoils the next answer with status 200 to a request that changes something.
type mangling struct {
	http.RoundTripper
	spoil func(h http.Header, body string) string // nil: none
}

// RoundTrip spoils one answer.
func (m *mangling) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.RoundTripper.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || m.spoil == nil || r.Method == http.MethodHead {
		return resp, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	resp.Header.Del("Content-Length")
	body := m.spoil(resp.Header, string(b))
	resp.Body, resp.ContentLength, m.spoil = io.NopCloser(strings.NewReader(body)), -1, nil
	return resp, err
}

// A good status with an answer that does not tell the result: nothing is
// assumed, the request is sent again or the object looked at.
func TestMangledAnswersAreNotBelieved(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, _ *remote.Client, bucket string) {
		transport := &mangling{RoundTripper: s.transport}
		var told tellings
		c := told.listen(t, s.client(t, aliceKeys(), func(o *remote.Options) { o.Transport = transport }))
		for what, spoil := range map[string]func(h http.Header, body string) string{
			"no body":   func(http.Header, string) string { return "" },
			"cut short": func(_ http.Header, body string) string { return body[:len(body)/2] },
			"other XML": func(http.Header, string) string { return "<html/>" },
			"an error":  func(http.Header, string) string { return "<Error><Code>InternalError</Code></Error>" },
			"no ETag": func(h http.Header, body string) string {
				h.Del("ETag")
				before, rest, _ := strings.Cut(body, "<ETag>")
				_, after, _ := strings.Cut(rest, "</ETag>")
				return before + after
			},
		} {
			for _, m := range mutations(t, c, bucket) {
				usesBody := m.op != emulator.OpPutObject && m.op != emulator.OpDeleteObject
				usesETag := m.op != emulator.OpDeleteObjects && m.op != emulator.OpDeleteObject
				if what == "no ETag" && !usesETag || what != "no ETag" && !usesBody {
					continue
				}
				told.take()
				before := s.emulator.Counts()[m.op]
				transport.spoil = spoil
				if err := m.call(t.Context()); err != nil {
					t.Errorf("%s, %s: %v", m.op, what, err)
				}
				equal(t, m.op+" with "+what, s.emulator.Counts()[m.op]-before, 2)
				equalSlices(t, m.op+" with "+what, told.take(), m.keys)
			}
		}
	})
}
