// Package redisstore keeps sessions in Redis, so that replicas share them without a common SQL database being asked for each.
package redisstore
