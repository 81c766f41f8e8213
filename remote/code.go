package remote

import "net/http"

// Code is the service's error code. A HEAD answer has no body: its code is
// deduced from the status. Empty: no answer came, or not one of an object store.
type Code string

// The documented error codes (Object Storage API guide, "Error code"), and
// after the blank line those that other S3 services add.
const (
	AccessDenied                        Code = "AccessDenied"
	BadDigest                           Code = "BadDigest"
	BucketAlreadyExists                 Code = "BucketAlreadyExists"
	BucketNotEmpty                      Code = "BucketNotEmpty"
	CredentialsNotSupported             Code = "CredentialsNotSupported"
	EntityTooLarge                      Code = "EntityTooLarge"
	EntityTooSmall                      Code = "EntityTooSmall"
	IncompleteBody                      Code = "IncompleteBody"
	IncorrectNumberOfFilesInPostRequest Code = "IncorrectNumberOfFilesInPostRequest"
	InlineDataTooLarge                  Code = "InlineDataTooLarge"
	InternalError                       Code = "InternalError"
	InvalidAccessKeyID                  Code = "InvalidAccessKeyId"
	InvalidArgument                     Code = "InvalidArgument"
	InvalidBucketName                   Code = "InvalidBucketName"
	InvalidBucketState                  Code = "InvalidBucketState"
	InvalidDigest                       Code = "InvalidDigest"
	InvalidEncryptionAlgorithm          Code = "InvalidEncryptionAlgorithmError"
	InvalidLocationConstraint           Code = "InvalidLocationConstraint"
	InvalidObjectState                  Code = "InvalidObjectState"
	InvalidPart                         Code = "InvalidPart"
	InvalidPartOrder                    Code = "InvalidPartOrder"
	InvalidRange                        Code = "InvalidRange"
	InvalidRequest                      Code = "InvalidRequest"
	InvalidSecurity                     Code = "InvalidSecurity"
	InvalidURI                          Code = "InvalidURI"
	KeyTooLong                          Code = "KeyTooLong"
	MalformedACL                        Code = "MalformedACLError"
	MalformedPOSTRequest                Code = "MalformedPOSTRequest"
	MalformedXML                        Code = "MalformedXML"
	MaxMessageLengthExceeded            Code = "MaxMessageLengthExceeded"
	MaxPostPreDataLengthExceeded        Code = "MaxPostPreDataLengthExceededError"
	MetadataTooLarge                    Code = "MetadataTooLarge"
	MethodNotAllowed                    Code = "MethodNotAllowed"
	MissingContentLength                Code = "MissingContentLength"
	MissingRequestBody                  Code = "MissingRequestBodyError"
	NoSuchBucket                        Code = "NoSuchBucket"
	NoSuchKey                           Code = "NoSuchKey"
	NoSuchUpload                        Code = "NoSuchUpload"
	NotImplemented                      Code = "NotImplemented"
	OperationAborted                    Code = "OperationAborted"
	PreconditionFailed                  Code = "PreconditionFailed"
	Redirect                            Code = "Redirect"
	RequestIsNotMultiPartContent        Code = "RequestIsNotMultiPartContent"
	RequestTimeTooSkewed                Code = "RequestTimeTooSkewed"
	RequestTimeout                      Code = "RequestTimeout"
	ServiceUnavailable                  Code = "ServiceUnavailable"
	SignatureDoesNotMatch               Code = "SignatureDoesNotMatch"
	SlowDown                            Code = "SlowDown"
	TemporaryRedirect                   Code = "TemporaryRedirect"
	TooManyBuckets                      Code = "TooManyBuckets"
	UnexpectedContent                   Code = "UnexpectedContent"
	UnresolvableGrantByEmailAddress     Code = "UnresolvableGrantByEmailAddress"
	UserKeyMustBeSpecified              Code = "UserKeyMustBeSpecified"

	AuthorizationHeaderMalformed Code = "AuthorizationHeaderMalformed"
	BucketAlreadyOwnedByYou      Code = "BucketAlreadyOwnedByYou"
	PermanentRedirect            Code = "PermanentRedirect"
	NoSuchCORSConfiguration      Code = "NoSuchCORSConfiguration"
)

// codeOfStatus is the code of an answer whose body names none: HEAD answers,
// and those of a proxy in between.
func codeOfStatus(status int, p Path) Code {
	switch status {
	case http.StatusMovedPermanently:
		return PermanentRedirect
	case http.StatusTemporaryRedirect:
		return TemporaryRedirect
	case http.StatusBadRequest:
		return InvalidRequest
	case http.StatusForbidden, http.StatusUnauthorized:
		return AccessDenied
	case http.StatusNotFound:
		if p.Key == "" {
			return NoSuchBucket
		}
		return NoSuchKey
	case http.StatusMethodNotAllowed:
		return MethodNotAllowed
	case http.StatusLengthRequired:
		return MissingContentLength
	case http.StatusPreconditionFailed:
		return PreconditionFailed
	case http.StatusRequestedRangeNotSatisfiable:
		return InvalidRange
	case http.StatusTooManyRequests:
		return SlowDown
	case http.StatusInternalServerError:
		return InternalError
	case http.StatusNotImplemented:
		return NotImplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ServiceUnavailable
	}
	return ""
}
