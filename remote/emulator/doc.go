// Package emulator is an S3 server that follows NAVER Cloud Object Storage's
// documented API and nothing more.
package emulator
