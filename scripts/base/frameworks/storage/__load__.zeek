@load ./main
@load ./async
@load ./sync
