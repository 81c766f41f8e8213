package emulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm    = "AWS4-HMAC-SHA256"
	amzDate      = "20060102T150405Z"
	maxClockSkew = 15 * time.Minute
	unsigned     = "UNSIGNED-PAYLOAD"
	streaming    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
)

// signature is a verified Authorization header, with what the chunks of an
// aws-chunked body are verified by.
type signature struct {
	key     []byte // the signing key
	date    string // as signed, amzDate
	scope   string // DATE/REGION/s3/aws4_request
	seed    string // the request's own signature, in hex
	payload string // x-amz-content-sha256
}

// credential is the content of an Authorization header.
type credential struct {
	accessKey, day, region, service, end string
	signed                               []string // names of the signed headers
	signature                            string
}

// authenticate finds out who sent the request. A request without an
// Authorization header is anonymous.
func (s *Server) authenticate(r *request) error {
	if r.query.Has("X-Amz-Signature") || r.query.Has("X-Amz-Algorithm") || r.query.Has("AWSAccessKeyId") {
		return refuse("AccessDenied", "presigned addresses are not offered")
	}
	if r.Header.Get("x-amz-trailer") != "" || strings.HasSuffix(r.Header.Get("x-amz-content-sha256"), "-TRAILER") {
		// Reported of NAVER's service: the checksum trailers of new SDKs
		// are answered with 403.
		return refuse("AccessDenied", "checksum trailers are not offered")
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil
	}
	c, err := parseAuthorization(header)
	if err != nil {
		return err
	}
	account := s.accounts[c.accessKey]
	if account == nil {
		return refuse("InvalidAccessKeyId", "no account has the access key %q", c.accessKey)
	}
	date, err := s.checkDate(r, c)
	if err != nil {
		return err
	}
	if err := s.checkScope(r, c); err != nil {
		return err
	}
	sig, err := verify(r, c, account.SecretKey, date)
	if err != nil {
		return err
	}
	r.who, r.sig = account, sig
	return nil
}

func parseAuthorization(header string) (credential, error) {
	rest, ok := strings.CutPrefix(header, algorithm)
	if !ok {
		return credential{}, refuse("InvalidRequest", "the Authorization header must use %s", algorithm)
	}
	var c credential
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			p := strings.Split(value, "/")
			if len(p) < 5 {
				return credential{}, refuse("InvalidRequest", "the Credential of the Authorization header is malformed")
			}
			n := len(p)
			c.accessKey = strings.Join(p[:n-4], "/")
			c.day, c.region, c.service, c.end = p[n-4], p[n-3], p[n-2], p[n-1]
		case "SignedHeaders":
			c.signed = strings.Split(value, ";")
		case "Signature":
			c.signature = value
		}
	}
	if c.accessKey == "" || c.signature == "" || len(c.signed) == 0 {
		return credential{}, refuse("InvalidRequest", "the Authorization header lacks Credential, SignedHeaders or Signature")
	}
	return c, nil
}

// checkDate returns the request's date as signed.
func (s *Server) checkDate(r *request, c credential) (string, error) {
	date := r.Header.Get("x-amz-date")
	t, err := time.Parse(amzDate, date)
	if err != nil {
		if t, err = http.ParseTime(r.Header.Get("Date")); err != nil {
			return "", refuse("AccessDenied", "the request needs a valid x-amz-date or Date header")
		}
		date = t.UTC().Format(amzDate)
	}
	if r.now.Sub(t).Abs() > maxClockSkew {
		return "", refuse("RequestTimeTooSkewed", "the request's time %s and the server's %s differ too much",
			date, r.now.UTC().Format(amzDate))
	}
	if c.day != date[:8] {
		return "", refuse("SignatureDoesNotMatch", "the credential's day is not the request's")
	}
	return date, nil
}

// checkScope judges the scope and the choice of signed headers.
func (s *Server) checkScope(r *request, c credential) error {
	if c.region != s.o.Region || c.service != "s3" || c.end != "aws4_request" {
		return refuse("SignatureDoesNotMatch", "the credential's scope must end in %s/s3/aws4_request", s.o.Region)
	}
	if !slices.Contains(c.signed, "host") {
		return refuse("AccessDenied", "the host header must be signed")
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(c.signed, name) {
			return refuse("AccessDenied", "the header %s is not signed", name)
		}
	}
	return nil
}

func verify(r *request, c credential, secret, date string) (*signature, error) {
	sig := &signature{
		key:     signingKey(secret, c),
		date:    date,
		scope:   strings.Join([]string{c.day, c.region, c.service, c.end}, "/"),
		seed:    c.signature,
		payload: r.Header.Get("x-amz-content-sha256"),
	}
	if sig.payload == "" {
		if r.ContentLength != 0 {
			return nil, refuse("InvalidRequest", "a request with a body needs x-amz-content-sha256")
		}
		sig.payload = hexSHA256(nil)
	}
	canonical := canonicalRequest(r.Request, c.signed, sig.payload)
	toSign := strings.Join([]string{algorithm, date, sig.scope, hexSHA256(canonical)}, "\n")
	if !hmac.Equal([]byte(sig.sign(toSign)), []byte(c.signature)) {
		return nil, refuse("SignatureDoesNotMatch", "the signature is not the one that the secret key makes of the request")
	}
	return sig, nil
}

func (s *signature) sign(text string) string { return hex.EncodeToString(hmacSHA256(s.key, text)) }

func signingKey(secret string, c credential) []byte {
	k := hmacSHA256([]byte("AWS4"+secret), c.day)
	k = hmacSHA256(k, c.region)
	k = hmacSHA256(k, c.service)
	return hmacSHA256(k, c.end)
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonicalRequest is what a signature is made of; see the package comment.
func canonicalRequest(r *http.Request, signed []string, payload string) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + "\n")
	b.WriteString(percentEncode(r.URL.Path, "/") + "\n")
	b.WriteString(canonicalQuery(r) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payload)
	return b.Bytes()
}

func canonicalQuery(r *http.Request) string {
	var pairs [][2]string
	for name, values := range r.URL.Query() {
		for _, v := range values {
			pairs = append(pairs, [2]string{percentEncode(name, ""), percentEncode(v, "")})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var out []string
	for _, p := range pairs {
		out = append(out, p[0]+"="+p[1])
	}
	return strings.Join(out, "&")
}

func canonicalHeader(r *http.Request, name string) string {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	var out []string
	for _, v := range values {
		out = append(out, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(out, ",")
}

// percentEncode encodes every byte but letters, digits, "-._~" and those of
// keep, with upper-case digits.
func percentEncode(s, keep string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}
