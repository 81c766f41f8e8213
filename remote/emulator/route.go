package emulator

import (
	"net/http"
	"net/url"
	"strings"
)

// Names of operations in counts, faults and the log. Those of the last group
// are never served: NAVER's overview does not list them, and they are told
// apart so that a test can assert that a client does not use them.
const (
	OpListBuckets = "ListBuckets"

	OpCreateBucket         = "CreateBucket"
	OpHeadBucket           = "HeadBucket"
	OpDeleteBucket         = "DeleteBucket"
	OpListObjects          = "ListObjects"
	OpGetBucketACL         = "GetBucketAcl"
	OpPutBucketACL         = "PutBucketAcl"
	OpGetBucketCORS        = "GetBucketCors"
	OpPutBucketCORS        = "PutBucketCors"
	OpDeleteBucketCORS     = "DeleteBucketCors"
	OpListMultipartUploads = "ListMultipartUploads"
	OpDeleteObjects        = "DeleteObjects"

	OpPutObject               = "PutObject"
	OpCopyObject              = "CopyObject"
	OpGetObject               = "GetObject"
	OpHeadObject              = "HeadObject"
	OpDeleteObject            = "DeleteObject"
	OpGetObjectACL            = "GetObjectAcl"
	OpPutObjectACL            = "PutObjectAcl"
	OpOptions                 = "Options"
	OpCreateMultipartUpload   = "CreateMultipartUpload"
	OpUploadPart              = "UploadPart"
	OpCompleteMultipartUpload = "CompleteMultipartUpload"
	OpAbortMultipartUpload    = "AbortMultipartUpload"

	OpListObjectsV2     = "ListObjectsV2"
	OpUploadPartCopy    = "UploadPartCopy"
	OpListParts         = "ListParts"
	OpGetBucketLocation = "GetBucketLocation"
	OpNotImplemented    = "NotImplemented"   // any other sub-resource
	OpMethodNotAllowed  = "MethodNotAllowed" // a method without an operation
)

// subresources that S3 has and NAVER does not document. Other unknown query
// parameters are ignored.
const subresources = " accelerate analytics append attributes encryption intelligent-tiering inventory " +
	"legal-hold lifecycle logging metadataConfiguration metadataTable metrics notification object-lock " +
	"ownershipControls policy policyStatus publicAccessBlock renameObject replication requestPayment restore " +
	"retention select select-type session tagging torrent versionId versioning versions website "

// splitPath divides the decoded path of a request into bucket and key. host
// is the request's, domain the one that buckets are subdomains of.
func splitPath(path, host, domain string) (bucket, key string) {
	path = strings.TrimPrefix(path, "/")
	if domain != "" {
		if name, ok := strings.CutSuffix(host, "."+domain); ok {
			return name, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// route names the operation that a request asks for.
func route(r *http.Request, bucket, key string, q url.Values) string {
	for name := range q {
		if strings.Contains(subresources, " "+name+" ") {
			return OpNotImplemented
		}
	}
	switch {
	case r.Method == http.MethodOptions:
		return OpOptions
	case bucket == "":
		if r.Method == http.MethodGet {
			return OpListBuckets
		}
		return OpMethodNotAllowed
	case key == "":
		return routeBucket(r.Method, q)
	default:
		return routeObject(r, q)
	}
}

func routeBucket(method string, q url.Values) string {
	switch {
	case q.Has("location"):
		return OpGetBucketLocation
	case q.Has("acl"):
		return byMethod(method, map[string]string{"GET": OpGetBucketACL, "PUT": OpPutBucketACL})
	case q.Has("cors"):
		return byMethod(method, map[string]string{
			"GET": OpGetBucketCORS, "PUT": OpPutBucketCORS, "DELETE": OpDeleteBucketCORS})
	case q.Has("uploads"):
		return byMethod(method, map[string]string{"GET": OpListMultipartUploads})
	case q.Has("delete"):
		return byMethod(method, map[string]string{"POST": OpDeleteObjects})
	case q.Has("list-type"):
		return OpListObjectsV2
	case method == http.MethodPost:
		return OpNotImplemented // an upload by HTML form
	default:
		return byMethod(method, map[string]string{
			"GET": OpListObjects, "PUT": OpCreateBucket, "HEAD": OpHeadBucket, "DELETE": OpDeleteBucket})
	}
}

func routeObject(r *http.Request, q url.Values) string {
	switch {
	case q.Has("acl"):
		return byMethod(r.Method, map[string]string{"GET": OpGetObjectACL, "PUT": OpPutObjectACL})
	case q.Has("uploads"):
		return byMethod(r.Method, map[string]string{"POST": OpCreateMultipartUpload})
	case q.Has("uploadId"):
		if r.Method == http.MethodPut && r.Header.Get("x-amz-copy-source") != "" {
			return OpUploadPartCopy
		}
		return byMethod(r.Method, map[string]string{"GET": OpListParts, "PUT": OpUploadPart,
			"POST": OpCompleteMultipartUpload, "DELETE": OpAbortMultipartUpload})
	case q.Has("partNumber"):
		return OpNotImplemented
	case r.Method == http.MethodPut && r.Header.Get("x-amz-copy-source") != "":
		return OpCopyObject
	default:
		return byMethod(r.Method, map[string]string{
			"GET": OpGetObject, "PUT": OpPutObject, "HEAD": OpHeadObject, "DELETE": OpDeleteObject})
	}
}

func byMethod(method string, ops map[string]string) string {
	if op, ok := ops[method]; ok {
		return op
	}
	return OpMethodNotAllowed
}
