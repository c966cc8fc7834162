/** ioredis by names, so that it can be loaded when it is needed; a bundler splits it off here. */
export { Cluster, Command, Redis } from 'ioredis';
