module ncloudfs

go 1.26
