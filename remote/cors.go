package remote

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CORS says which web pages of other origins a browser lets use a bucket. It is
// the document of the service, and in JSON that of the AWS CLI.
type CORS struct {
	XMLName xml.Name   `xml:"CORSConfiguration" json:"-"`
	Rules   []CORSRule `xml:"CORSRule" json:"CORSRules"`
}

// CORSRule allows origins some methods and headers. At most one "*" in an
// origin or header stands for anything.
type CORSRule struct {
	ID             string   `xml:"ID,omitempty" json:"ID,omitempty"`
	AllowedOrigins []string `xml:"AllowedOrigin"`
	AllowedMethods []string `xml:"AllowedMethod"`                             // GET, PUT, POST, DELETE, HEAD
	AllowedHeaders []string `xml:"AllowedHeader" json:",omitempty"`           // of requests
	ExposeHeaders  []string `xml:"ExposeHeader" json:",omitempty"`            // of answers, for scripts to read
	MaxAgeSeconds  int      `xml:"MaxAgeSeconds,omitempty" json:",omitempty"` // how long a browser may remember; 0: as it likes
}

// CORS returns a bucket's rules; one without any is NoSuchCORSConfiguration.
func (c *Client) CORS(ctx context.Context, bucket string) (*CORS, error) {
	k := corsCall("GET CORS", http.MethodGet, bucket)
	var cors *CORS
	k.accept = func(a *answer) error {
		cors = &CORS{}
		return a.decode(k, cors)
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return cors, nil
}

// SetCORS replaces a bucket's rules.
func (c *Client) SetCORS(ctx context.Context, bucket string, cors *CORS) error {
	k := corsCall("PUT CORS", http.MethodPut, bucket)
	doc, err := xml.Marshal(cors)
	if err != nil {
		return &Error{Op: k.op, Path: k.path, Code: MalformedXML, Err: err}
	}
	body := bytes.NewReader(doc)
	k.header = http.Header{"Content-Type": {"application/xml"}}
	k.body, k.size, k.signed, k.digest = body, body.Size(), true, true
	return c.do(ctx, k)
}

// DeleteCORS removes a bucket's rules; that it has none is no error.
func (c *Client) DeleteCORS(ctx context.Context, bucket string) error {
	return c.do(ctx, corsCall("DELETE CORS", http.MethodDelete, bucket))
}

func corsCall(op, method, bucket string) *call {
	k := bucketCall(op, method, bucket)
	k.query = url.Values{"cors": {""}}
	return k
}

// Preflight is the question of a browser whether a page may make a request.
type Preflight struct {
	Origin  string   // of the page: https://example.com
	Method  string   // of the request
	Headers []string // of the request, beside those that need no permission
}

// PreflightAnswer is what the service's answer allows.
type PreflightAnswer struct {
	Refused        error // why nothing is allowed; nil: the answer decides
	AllowedOrigin  string
	AllowedMethods []string
	AllowedHeaders []string
}

// Preflight asks as a browser does: OPTIONS, unsigned. That the service allows
// nothing (AccessDenied) is an answer, not an error.
func (c *Client) Preflight(ctx context.Context, p Path, q Preflight) (PreflightAnswer, error) {
	k := &call{op: "OPTIONS", path: p, method: http.MethodOptions, bucket: true, unsigned: true, header: http.Header{
		"Origin": {q.Origin}, "Access-Control-Request-Method": {q.Method}}}
	if len(q.Headers) > 0 {
		k.header.Set("Access-Control-Request-Headers", strings.Join(q.Headers, ","))
	}
	var found PreflightAnswer
	k.accept = func(a *answer) error {
		found = PreflightAnswer{
			AllowedOrigin:  a.Header.Get("Access-Control-Allow-Origin"),
			AllowedMethods: listOf(a.Header["Access-Control-Allow-Methods"]),
			AllowedHeaders: listOf(a.Header["Access-Control-Allow-Headers"]),
		}
		return nil
	}
	err := c.do(ctx, k)
	if CodeOf(err) == AccessDenied {
		return PreflightAnswer{Refused: err}, nil
	}
	return found, err
}

func listOf(values []string) []string {
	return strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' || r == ' ' })
}

// Verdict says why a browser would refuse the request; "" when it would make
// it (Fetch standard: CORS-preflight fetch).
func (a PreflightAnswer) Verdict(q Preflight) string {
	simple := []string{http.MethodGet, http.MethodHead, http.MethodPost} // CORS-safelisted
	switch {
	case a.Refused != nil:
		return "no rule of the bucket allows it"
	case a.AllowedOrigin != "*" && a.AllowedOrigin != q.Origin:
		return "the answer does not allow the origin"
	case !slices.Contains(simple, q.Method) && !allows(a.AllowedMethods, q.Method):
		return "the answer does not allow the method"
	}
	for _, h := range q.Headers {
		if !allows(a.AllowedHeaders, strings.ToLower(h)) {
			return "the answer does not allow the header " + h
		}
	}
	return ""
}

// allows reports whether a list of names, in any case, has this one or "*".
func allows(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == "*" || strings.EqualFold(s, name) })
}
