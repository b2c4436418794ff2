/* What a fork leaves behind. The child of a process with threads has none of these, and every lock as some thread left it: what
 * needs the threads, or waits for such a lock, must know that it is in another process now. */
#ifndef TESSERA_BASE_FORKS_H
#define TESSERA_BASE_FORKS_H

/* How many forks led from the first process that asked to this one. What was made when this said something else belongs to
 * another process. As quick as reading a variable. */
unsigned forks_count(void);
/* Children that are forked from now on close this descriptor: otherwise a connection would last as long as any of them, whoever
 * closes it here. Programs that are started do not get it anyway (close-on-exec is set). No harm if it is closed; what comes
 * under the same number is not meant. */
void forks_withhold(int fd);
/* A function of somebody's has returned. If it did so in a process that it has forked, that process ends: what would go on there
 * has no threads, and shares memory and connections with its parent. `before`: forks_count() when the function was called. */
void forks_end_child(unsigned before);

#endif
