package remote

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	miniosigner "github.com/minio/minio-go/v7/pkg/signer"
	"pgregory.net/rapid"
)

// For every name that minio-go can express, the signature is minio-go's.
func TestSignatureIsMinios(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := "/bucket/" + rapid.String().Draw(t, "key")
		query := url.Values{}
		for name, value := range rapid.MapOf(rapid.StringMatching(`[a-z-]{1,8}`), rapid.String()).Draw(t, "query") {
			query.Set(name, value)
		}
		header := http.Header{"User-Agent": {"x"}}
		for name, value := range rapid.MapOf(rapid.StringMatching(`[a-z]{1,8}`), rapid.StringMatching(`[a-z가 ]{0,9}`)).Draw(t, "metadata") {
			header.Set("x-amz-meta-"+name, strings.Trim(value, " "))
		}
		ours := &http.Request{Method: "PUT", Host: "h:1", Header: header.Clone(), URL: &url.URL{
			Scheme: "http", Host: "h:1", Path: path, RawPath: escapePath(path),
			RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")}}
		signer := newSigner(Credentials{AccessKey: "AK/with/slashes", SecretKey: "SK"}, "kr-standard")

		theirs := *ours
		theirs.Header = header.Clone()
		theirs.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
		want := miniosigner.SignV4(theirs, "AK/with/slashes", "SK", "", "kr-standard")
		date, err := time.Parse("20060102T150405Z", want.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		signer.sign(ours, unsignedPayload, date)
		if got, want := ours.Header.Get("Authorization"), want.Header.Get("Authorization"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if ours.URL.EscapedPath() != escapePath(path) {
			t.Errorf("sent as %s, signed as %s", ours.URL.EscapedPath(), escapePath(path))
		}
	})
}

func TestAnonymousRequestsAreNotSigned(t *testing.T) {
	req := &http.Request{Method: "GET", Header: http.Header{}, URL: &url.URL{Path: "/"}}
	newSigner(Credentials{Anonymous: true}, "kr-standard").sign(req, emptySHA256, time.Now())
	if len(req.Header) != 0 {
		t.Errorf("headers %v", req.Header)
	}
}
