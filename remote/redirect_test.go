package remote_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// A 307 within the endpoint's domain is followed, signed anew for that host
// and with the whole body.
func TestRedirectIsFollowed(t *testing.T) {
	var first string
	c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "content" {
			t.Errorf("%q %v", body, err)
		}
		if n == 0 {
			first = r.Header.Get("Authorization")
			return answer(r, 307, "", "Location", "https://us.object.ncloudstorage.com/b/k%20%2B?x=y"), nil
		}
		equal(t, "host", r.Host+" "+r.URL.Host, "us.object.ncloudstorage.com us.object.ncloudstorage.com")
		equal(t, "path", r.URL.EscapedPath(), "/b/k%20%2B")
		if again := r.Header.Get("Authorization"); again == first || again == "" {
			t.Errorf("signed %q", again)
		}
		return answer(r, 200, "", "ETag", string(md5Of([]byte("content")))), nil
	})
	_, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k +"}, strings.NewReader("content"), 7, remote.PutOptions{})
	if err != nil {
		t.Error(err)
	}
	equal(t, "requests", *n, 2)
}

// It is followed nowhere else: not out of the domain, not out of TLS, not for ever.
func TestRedirectIsNotFollowedAstray(t *testing.T) {
	for _, test := range []struct {
		endpoint, location string
		requests           int
	}{
		{"", "https://evil.example/b/k", 1},
		{"", "https://ncloudstorage.com.evil.example/b/k", 1},
		{"", "http://us.object.ncloudstorage.com/b/k", 1},
		{"", "/b/k", 1},
		{"", "", 1},
		{"", "https://us.object.ncloudstorage.com/b/k", 4},
		{"http://127.0.0.1:9000", "http://127.0.0.2:9000/b/k", 1},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9001/b/k", 4},
		{"https://a.co.kr", "https://b.co.kr/b/k", 1},
		{"https://s3.a.co.kr", "https://eu.s3.a.co.kr/b/k", 4},
	} {
		c, n := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			return answer(r, 307, "<Error><Code>TemporaryRedirect</Code></Error>", "Location", test.location), nil
		}, func(o *remote.Options) { o.Endpoint = test.endpoint })
		_, err := c.Head(t.Context(), remote.Path{Bucket: "b", Key: "k"})
		wantCode(t, test.location, err, remote.TemporaryRedirect, nil)
		equal(t, fmt.Sprintf("%+v: requests", test), *n, test.requests)
	}
}
