package remote_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// TestOtherProductsHostIsNamed: Ncloud Storage has buckets of its own.
func TestOtherProductsHostIsNamed(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://my-bucket.kr.ncloudstorage.com":      true,
		"https://kr.ncloudstorage.com":                true,
		"https://kr.object.ncloudstorage.com":         false,
		"https://kr.object.private.ncloudstorage.com": false,
		"https://ncloudstorage.com.example.com":       false,
	} {
		c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			return refusal(r, 404, "NoSuchBucket"), nil
		}, func(o *remote.Options) { o.Endpoint = endpoint })
		err := c.HeadBucket(t.Context(), "b")
		if err == nil || strings.Contains(err.Error(), "is of the product Ncloud Storage") != want {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// TestBucketElsewhereIsSaidWhere: the document of the error tells what the
// header does not.
func TestBucketElsewhereIsSaidWhere(t *testing.T) {
	for doc, want := range map[string]string{
		"<Error><Code>AuthorizationHeaderMalformed</Code><Region>de-standard</Region></Error>":         "the bucket is in region de: give --region de",
		"<Error><Code>PermanentRedirect</Code><Endpoint>b.jp.object.ncpstorage.com</Endpoint></Error>": "the bucket is at b.jp.object.ncpstorage.com",
		"<Error><Code>PermanentRedirect</Code></Error>":                                                "check --region and --endpoint",
	} {
		c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			resp := refusal(r, 400, "x")
			resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(doc)), int64(len(doc))
			return resp, nil
		})
		_, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
