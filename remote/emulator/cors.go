package emulator

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const maxCORSRules = 100

// corsRule is one rule of a bucket's CORS configuration.
type corsRule struct {
	ID      string   `xml:"ID"`
	Origins []string `xml:"AllowedOrigin"`
	Methods []string `xml:"AllowedMethod"`
	Headers []string `xml:"AllowedHeader"`
	Expose  []string `xml:"ExposeHeader"`
	MaxAge  int      `xml:"MaxAgeSeconds"`
}

type corsXML struct {
	XMLName xml.Name   `xml:"CORSConfiguration"`
	Rules   []corsRule `xml:"CORSRule"`
}

// wildcard reports whether s matches a pattern with at most one "*".
func wildcard(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// origin returns the pattern that allows the origin.
func (c corsRule) origin(origin string) (pattern string, ok bool) {
	i := slices.IndexFunc(c.Origins, func(p string) bool { return wildcard(p, origin) })
	if i < 0 {
		return "", false
	}
	return c.Origins[i], true
}

// allowsHeaders reports whether the rule allows every one of the headers.
func (c corsRule) allowsHeaders(headers []string) bool {
	for _, h := range headers {
		if !slices.ContainsFunc(c.Headers, func(p string) bool {
			return wildcard(strings.ToLower(p), strings.ToLower(h))
		}) {
			return false
		}
	}
	return true
}

// grantOrigin sets the headers that a rule gives to an actual request or a
// preflight of the origin.
func (c corsRule) grantOrigin(h http.Header, origin, pattern string) {
	if pattern == "*" {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	h.Set("Access-Control-Allow-Methods", strings.Join(c.Methods, ", "))
	if len(c.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.Expose, ", "))
	}
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(c.MaxAge))
	}
}

// allowOrigin adds CORS headers to the answer of an actual request.
func (s *Server) allowOrigin(r *request) {
	origin := r.Header.Get("Origin")
	if origin == "" || r.op == OpOptions || r.bucket == "" {
		return
	}
	b, err := s.store.bucket(r.bucket)
	if err != nil {
		return
	}
	for _, rule := range b.CORS {
		if pattern, ok := rule.origin(origin); ok && slices.Contains(rule.Methods, r.Method) {
			rule.grantOrigin(r.answer.Header(), origin, pattern)
			return
		}
	}
}

// preflight answers OPTIONS by the first rule that allows origin, method and
// headers. It needs no signature.
func (s *Server) preflight(r *request) error {
	origin, method := r.Header.Get("Origin"), r.Header.Get("Access-Control-Request-Method")
	if origin == "" || method == "" {
		return refuse("InvalidRequest", "a preflight needs Origin and Access-Control-Request-Method")
	}
	b, err := s.store.bucket(r.bucket)
	if err != nil {
		return err
	}
	headers := strings.FieldsFunc(r.Header.Get("Access-Control-Request-Headers"),
		func(c rune) bool { return c == ',' || c == ' ' })
	for _, rule := range b.CORS {
		pattern, ok := rule.origin(origin)
		if !ok || !slices.Contains(rule.Methods, method) || !rule.allowsHeaders(headers) {
			continue
		}
		rule.grantOrigin(r.answer.Header(), origin, pattern)
		if len(headers) > 0 {
			r.answer.Header().Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
		}
		return r.answer.sendEmpty(http.StatusOK)
	}
	return refuse("AccessDenied", "no CORS rule allows the request")
}

func (s *Server) getCORS(r *request) error {
	b, err := s.owned(r)
	if err != nil {
		return err
	}
	if len(b.CORS) == 0 {
		return refuse("NoSuchCORSConfiguration", "the bucket has no CORS configuration")
	}
	var d document
	d.root("CORSConfiguration")
	for _, rule := range b.CORS {
		rule.write(&d)
	}
	d.close("CORSConfiguration")
	return r.answer.sendDocument(&d)
}

func (c corsRule) write(d *document) {
	d.open("CORSRule")
	if c.ID != "" {
		d.text("ID", c.ID)
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"AllowedOrigin", c.Origins}, {"AllowedMethod", c.Methods}, {"AllowedHeader", c.Headers}, {"ExposeHeader", c.Expose}} {
		for _, v := range list.values {
			d.text(list.name, v)
		}
	}
	if c.MaxAge > 0 {
		d.number("MaxAgeSeconds", int64(c.MaxAge))
	}
	d.close("CORSRule")
}

func (s *Server) putCORS(r *request) error {
	if _, err := s.owned(r); err != nil {
		return err
	}
	var c corsXML
	if err := r.decode(&c, "MalformedXML"); err != nil {
		return err
	}
	if len(c.Rules) == 0 || len(c.Rules) > maxCORSRules {
		return refuse("MalformedXML", "a configuration has 1 to %d rules", maxCORSRules)
	}
	for _, rule := range c.Rules {
		if err := rule.check(); err != nil {
			return err
		}
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.updateBucket(r.bucket, func(b *bucketInfo) { b.CORS = c.Rules }); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusOK)
}

func (c corsRule) check() error {
	if len(c.Origins) == 0 || len(c.Methods) == 0 {
		return refuse("MalformedXML", "a rule needs AllowedOrigin and AllowedMethod")
	}
	for _, m := range c.Methods {
		if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, m) {
			return refuse("InvalidRequest", "CORS cannot allow the method %q", m)
		}
	}
	for _, p := range slices.Concat(c.Origins, c.Headers) {
		if strings.Count(p, "*") > 1 {
			return refuse("InvalidRequest", "%q has more than one wildcard", p)
		}
	}
	return nil
}

func (s *Server) deleteCORS(r *request) error {
	if _, err := s.owned(r); err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.updateBucket(r.bucket, func(b *bucketInfo) { b.CORS = nil }); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusNoContent)
}
