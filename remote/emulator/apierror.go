package emulator

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// apiError is an answer that is an error document.
type apiError struct {
	code       string
	status     int
	message    string
	retryAfter time.Duration
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuse makes the error for a code of NAVER's table, with its status.
func refuse(code, format string, args ...any) *apiError {
	return &apiError{code: code, status: statusOf(code), message: fmt.Sprintf(format, args...)}
}

// statusOf is NAVER's documented table of error codes. NoSuchCORSConfiguration
// is missing from it; GET ?cors has to answer something, and 404 with that
// code is what Ceph answers.
func statusOf(code string) int {
	switch code {
	case "Redirect", "TemporaryRedirect":
		return http.StatusTemporaryRedirect
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity",
		"RequestTimeTooSkewed", "InvalidObjectState":
		return http.StatusForbidden
	case "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchCORSConfiguration":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "OperationAborted", "BucketNotEmpty", "BucketAlreadyExists", "InvalidBucketState":
		return http.StatusConflict
	case "MissingContentLength":
		return http.StatusLengthRequired
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "InvalidRange":
		return http.StatusRequestedRangeNotSatisfiable
	case "InternalError":
		return http.StatusInternalServerError
	case "NotImplemented":
		return http.StatusNotImplemented
	case "ServiceUnavailable", "SlowDown":
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// document is the error as XML.
func (e *apiError) document(r *request) []byte {
	var d document
	d.header()
	d.open("Error")
	d.text("Code", e.code)
	d.text("Message", e.message)
	d.text("Resource", r.URL.Path)
	d.text("RequestId", r.id)
	d.close("Error")
	return d.Bytes()
}

// send answers with the error. A HEAD answer has no body.
func (e *apiError) send(r *request) {
	h := r.answer.Header()
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	if r.Method == http.MethodHead || e.status == http.StatusNotModified {
		r.answer.WriteHeader(e.status)
		return
	}
	r.answer.sendXML(e.status, e.document(r))
}
