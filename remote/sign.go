package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	miniosigner "github.com/minio/minio-go/v7/pkg/signer"
)

// unsignedPayload stands for the body's hash where Content-MD5, which is
// signed, already vouches for it. Hashing it with SHA-256 as well would cost a
// second pass (1.75 GB/s with SHA extensions, a third of that without).
const unsignedPayload = "UNSIGNED-PAYLOAD"

// signer signs requests with Signature Version 4. It hides the secret from
// fmt, which would print any string it finds in a field.
type signer struct {
	accessKey string
	secret    func() string
	region    string
	anonymous bool
	expires   time.Time // zero: never
}

func newSigner(c Credentials, region string) signer {
	return signer{c.AccessKey, c.SecretKey.Reveal, region, c.Anonymous, c.Expires}
}

// sign sets X-Amz-Date and Authorization for a body of this SHA-256 (or
// unsignedPayload). Headers set afterwards are not signed.
//
// The canonical request is our own, because minio-go's cannot express names
// that are not UTF-8; key derivation and signature are minio-go's.
func (s signer) sign(req *http.Request, payload string, now time.Time) {
	if s.anonymous {
		return
	}
	now = now.UTC()
	date := now.Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", date)
	req.Header.Set("X-Amz-Content-Sha256", payload)
	headers, signed := canonicalHeaders(req)
	canonical := strings.Join([]string{
		req.Method, req.URL.EscapedPath(), req.URL.RawQuery, headers, signed, payload,
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	credential := miniosigner.GetCredential(s.accessKey, s.region, now, miniosigner.ServiceTypeS3)
	scope := strings.TrimPrefix(credential, s.accessKey+"/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, hex.EncodeToString(hash[:])}, "\n")
	// "Post presign": the plain signature of a text.
	signature := miniosigner.PostPresignSignatureV4(text, now, s.secret(), s.region)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+credential+
		", SignedHeaders="+signed+", Signature="+signature)
}

// canonicalHeaders returns the headers in canonical form, and their names.
// User-Agent is left out: proxies change it.
func canonicalHeaders(req *http.Request) (headers, signed string) {
	values := map[string]string{"host": req.Host}
	for name, v := range req.Header {
		if name == "User-Agent" {
			continue
		}
		values[strings.ToLower(name)] = strings.Join(strings.FieldsFunc(strings.Join(v, ","), func(r rune) bool { return r == ' ' }), " ")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + ":" + values[name] + "\n")
	}
	return b.String(), strings.Join(names, ";")
}

// escapePath percent-encodes every byte of s but slashes and RFC 3986's
// unreserved characters, as Signature Version 4 wants it.
func escapePath(s string) string {
	const hexDigits = "0123456789ABCDEF"
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || c == '/'
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
