/* How fast a connection within a cluster may send. */
#ifndef SBL_NET_CONGESTION_H
#define SBL_NET_CONGESTION_H

/** Of a TCP connection that stands: whose other end is near has no use for the system's BBR. All else stays as the system has it. */
void sbl_congestion_suit(int fd);

#endif
