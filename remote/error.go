package remote

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ErrChanged says that the object is no longer the version that was asked for (412).
var ErrChanged = errors.New("object changed")

// ErrTooLarge says that the object, part, key or metadata is over the
// service's limit.
var ErrTooLarge = errors.New("too large")

// Error is the failure of one operation.
type Error struct {
	Op        string // "GET", "PUT", "LIST", "COPY", ...
	Path      Path
	Code      Code
	Status    int // HTTP status; 0 when no answer came
	RequestID string
	Message   string // the service's own words; may be empty
	Hint      string // what to do about it, for people; may be empty
	Err       error  // cause, when no (whole) answer came

	retryAfter time.Duration // what the answer asked for; 0: nothing
}

// Error says what happened, to which path, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if p := e.Path.String(); p != "" {
		b.WriteByte(' ')
		b.WriteString(printable(p))
	}
	sep := ": "
	if e.Code != "" {
		b.WriteString(sep + string(e.Code))
	} else if e.Status != 0 {
		b.WriteString(sep + strings.TrimSpace("HTTP "+strconv.Itoa(e.Status)+" "+http.StatusText(e.Status)))
	}
	if e.Message != "" {
		b.WriteString(sep + printable(e.Message))
	}
	if e.Err != nil {
		b.WriteString(sep + e.Err.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is maps the service's codes to the sentinels that callers decide by.
// NoSuchUpload is none of them: the object may well exist.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case NoSuchKey, NoSuchBucket:
		return target == fs.ErrNotExist
	case AccessDenied, InvalidAccessKeyID, SignatureDoesNotMatch, InvalidSecurity,
		CredentialsNotSupported, InvalidObjectState:
		return target == fs.ErrPermission
	case BucketAlreadyExists, BucketAlreadyOwnedByYou:
		return target == fs.ErrExist
	case MethodNotAllowed, NotImplemented:
		return target == errors.ErrUnsupported
	case PreconditionFailed:
		return target == ErrChanged
	case EntityTooLarge, KeyTooLong, MetadataTooLarge:
		return target == ErrTooLarge
	}
	return false
}

// CodeOf returns the code of the *Error in err's chain, "" when there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// errMalformed is the cause when an answer is not what the operation's is
// documented to be: another kind of server, a captive portal.
var errMalformed = errors.New("not the answer of an object store")

// maxErrorBody bounds what is read of an error document, in bytes.
const maxErrorBody = 64 << 10

// errorOf makes the error of an answer whose status is not 2xx. It reads the body.
func errorOf(k *call, resp *http.Response) *Error {
	e := &Error{Op: k.op, Path: k.path, Status: resp.StatusCode}
	var doc errorDocument
	if k.method != http.MethodHead {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if xml.Unmarshal(body, &doc) != nil {
			doc = errorDocument{}
		}
	}
	e.finish(resp, doc)
	return e
}

// finish fills in what the answer's document and header tell.
func (e *Error) finish(resp *http.Response, doc errorDocument) {
	e.Code, e.Message, e.RequestID = Code(doc.Code), doc.Message, doc.RequestID
	if e.Code == "" {
		e.Code = codeOfStatus(resp.StatusCode, e.Path.Resolve())
		if skew, ok := skewOf(resp.Header); ok && e.Code == AccessDenied && skew.Abs() > maxSkew {
			e.Code = RequestTimeTooSkewed // which a service refuses before it looks at anything else
		}
	}
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get("x-amz-request-id")
	}
	e.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	e.Hint = hint(e, resp, doc)
}

// printable returns s, quoted when a terminal or a log could misread it.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
