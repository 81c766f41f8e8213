package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Parts returns how many parts an unfinished upload has, and their bytes. The
// service does not list List Parts among its operations: where it has none the
// error is errors.ErrUnsupported.
func (u *Upload) Parts(ctx context.Context) (count int, size int64, err error) {
	for marker := 0; ; {
		page, err := u.partPage(ctx, marker)
		if err != nil {
			return 0, 0, err
		}
		count, size = count+page.count, size+page.size
		if page.truncated != "true" {
			return count, size, nil
		}
		if page.next <= marker {
			return 0, 0, &Error{Op: "LIST PARTS", Path: u.path,
				Err: fmt.Errorf("%w: a truncated page of parts that leads nowhere", errMalformed)}
		}
		marker = page.next
	}
}

// partListing is an answer of List Parts while it is decoded.
type partListing struct {
	count     int
	size      int64
	truncated string
	next      int
}

func (u *Upload) partPage(ctx context.Context, marker int) (page partListing, err error) {
	q := url.Values{"uploadId": {u.id}, "max-parts": {strconv.Itoa(maxKeys)}}
	if marker > 0 {
		q.Set("part-number-marker", strconv.Itoa(marker))
	}
	k := &call{op: "LIST PARTS", path: u.path, method: http.MethodGet, object: true, query: q}
	k.accept = func(a *answer) error {
		doc, err := a.document()
		if err != nil {
			return err
		}
		page = partListing{}
		if err := page.scan(doc); err != nil {
			if e := a.errorIn(k, doc); e != nil {
				return e
			}
			return err
		}
		return nil
	}
	err = u.client.do(ctx, k)
	return page, err
}

func (l *partListing) scan(doc []byte) error {
	s := &scanner{data: doc}
	root, end, err := s.child()
	if err != nil {
		return err
	}
	if end || string(root) != "ListPartsResult" {
		return fmt.Errorf("%w: no ListPartsResult", errMalformed)
	}
	return s.each(func(name []byte) error {
		switch string(name) {
		case "IsTruncated":
			return s.string(&l.truncated)
		case "NextPartNumberMarker":
			next, err := number(s)
			l.next = int(next)
			return err
		case "Part":
			l.count++
			return s.each(func(name []byte) error {
				if string(name) != "Size" {
					return s.skip()
				}
				size, err := number(s)
				l.size += size
				return err
			})
		}
		return s.skip()
	})
}

// number reads the element just opened as a number.
func number(s *scanner) (int64, error) {
	var text string
	if err := s.string(&text); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %q is no number", errMalformed, text)
	}
	return n, nil
}
