/* 1 under a sanitizer, which has to see each piece of memory alone. */
#ifndef SBL_BASE_SANITIZED_H
#define SBL_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SBL_SANITIZED 1
#elif defined(__has_feature)
#define SBL_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SBL_SANITIZED 0
#endif

#endif
