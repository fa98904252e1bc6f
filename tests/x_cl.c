#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static double now(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
static sabal_status square(sabal_task *t){const double *v=sabal_task_arg(t);return sabal_task_return(t,&(double){*v**v},sizeof(double));}
static sabal_status add(sabal_task *t){const double *a=sabal_task_input(t,0),*b=sabal_task_input(t,1);return sabal_task_return(t,&(double){*a+*b},sizeof(double));}
static sabal_status big(sabal_task *t){const int64_t *n=sabal_task_arg(t); char*p=malloc(*n); memset(p,7,*n); sabal_status st=sabal_task_return(t,p,*n); free(p); return st;}
static sabal_status sum(sabal_task *t){const unsigned char*p=sabal_task_input(t,0);int64_t s=0;for(size_t i=0;i<sabal_task_input_size(t,0);i++)s+=p[i];return sabal_task_return(t,&s,sizeof s);}
static sabal_status nothing(sabal_task *t){return sabal_task_return(t,NULL,0);}
int main(int argc,char**argv){
    sabal_error err=SABAL_ERROR_INIT; char text[1024];
    sabal_client*c=sabal_open(argv[1],&err,.threads=1);
    if(err.status){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    sabal_future*a=sabal_submit(c,square,(&(double){3}),sizeof(double)),*b=sabal_submit(c,square,(&(double){4}),sizeof(double));
    sabal_future*s=sabal_submit(c,add,NULL,0,.inputs=SABAL_LIST(a,b));
    double out=0; if(sabal_future_get(&out,sizeof out,s,&err)){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    printf("%g\n",out);
    int64_t n=64000000,r=0; sabal_future*f=sabal_submit(c,big,&n,sizeof n),*g=sabal_submit(c,sum,NULL,0,.inputs=SABAL_LIST(f));
    if(sabal_future_get(&r,sizeof r,g,&err)){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    printf("sum %ld\n",(long)r);
    char*q=malloc(n); if(sabal_future_get(q,n,f,&err)){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    int64_t s2=0;for(int64_t i=0;i<n;i++)s2+=q[i];printf("fetched %ld\n",(long)s2);
    sabal_future*d=sabal_scatter(c,q,n),*h=sabal_submit(c,sum,NULL,0,.inputs=SABAL_LIST(d));
    r=0; if(sabal_future_get(&r,sizeof r,h,&err)){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    printf("scattered %ld\n",(long)r);
    int N=argc>2?atoi(argv[2]):100000; sabal_future**fs=calloc(N,sizeof*fs); double t=now();
    sabal_map(fs,c,nothing,NULL,0,N);
    for(int i=0;i<N;i++) if(sabal_future_wait(fs[i],&err)){sabal_error_format(text,sizeof text,&err);puts(text);return 1;}
    t=now()-t; printf("map %d: %.2f us a task\n",N,1e6*t/N);
    for(int i=0;i<N;i++) sabal_release(fs[i]);
    t=now(); for(int i=0;i<200;i++){sabal_future*x=sabal_submit(c,nothing,NULL,0);sabal_future_wait(x,&err);sabal_release(x);} t=now()-t; printf("roundtrip %.1f us\n",1e6*t/200);
    sabal_close(c); puts("closed"); return 0;}
